"""The flags of vectors: why cases with a flag exist, what a mistake leads to, and where it comes from."""

from __future__ import annotations

from otterproof.vectors import Note

_DATA_TYPES = "protocol text, Encoded messages, data types"

NOTES = {
    "LeadingZeros": Note(
        "a number is not written with its least length",
        "one key has two fingerprints, or two sides hash different bytes for the same number",
        _DATA_TYPES,
    ),
    "CutShort": Note(
        "a length is trusted that is larger than what is there",
        "reading beyond the end of a buffer, or a crash",
        _DATA_TYPES,
    ),
    "HugeLength": Note(
        "a length near 2^31 or 2^32 is added to an offset, or allocated",
        "a wrapped offset that passes a check, a negative length, or memory that runs out",
        _DATA_TYPES,
    ),
    "TrailingBytes": Note(
        "bytes after the last field are taken for something, or kept",
        "two encodings of one message",
        _DATA_TYPES,
    ),
    "HighBit": Note(
        "a number whose top bit is set is taken for negative, or gets a sign byte",
        "keys derived from it differ in one of two runs",
        _DATA_TYPES,
    ),
    "Boundary": Note(
        "a value at the end of its range",
        "a comparison that is off by one",
        "every range in the protocol text",
    ),
    "Base64": Note(
        "a decoder that skips what it does not know",
        "many texts for one message; what a filter sees is not what the client reads",
        "protocol text, Encoded messages",
    ),
    "Query": Note(
        "a search for the mark and single letters where a form is prescribed",
        "text of people starts handshakes, or a version is spoken that was not offered or not allowed",
        "protocol text, OTR Query Messages",
    ),
    "Tag": Note(
        "blanks are taken for a whitespace tag, or a tag for blanks",
        "text is changed, or handshakes start that nobody offered",
        "protocol text, Tagged plaintext messages",
    ),
    "ErrorMark": Note(
        "a mark is looked for that is not the prescribed one",
        "text is hidden from the user",
        "protocol text, OTR Error Messages",
    ),
    "Order": Note(
        "fragments are collected in any order, or not forgotten when they must be",
        "parts of different messages are put together",
        "protocol text, Receiving Fragments",
    ),
    "IllegalFragment": Note(
        "a header read with scanf, or numbers that wrap around",
        "memory that grows without bound, writes out of bounds, or text that is taken for a fragment",
        "protocol text, Receiving Fragments; scanf formats in a widely used library",
    ),
    "Tags": Note(
        "a message for another client, or with a tag that nobody can have, is looked at",
        "sessions of several clients of one account disturb each other",
        "protocol text, Instance Tags",
    ),
    "KeyType": Note(
        "the type of a public key is not looked at",
        "numbers of another kind of key are used as DSA parameters",
        "protocol text, Public keys, signatures, and fingerprints",
    ),
    "KeyRange": Note(
        "absurd DSA parameters are used",
        "anybody can sign for such a key, or the arithmetic fails",
        "protocol text, Public keys, signatures, and fingerprints; FIPS 186 domain parameters",
    ),
    "DsaValue": Note(
        "DSA of a library that hashes the value again, or cuts it to its leftmost 160 bits",
        "signatures that nobody else accepts, once in many runs or always",
        "protocol text, Public keys, signatures, and fingerprints: the 32 bytes are a number modulo q",
    ),
    "DsaZeros": Note(
        "r or s is not padded on the left to 20 bytes",
        "one handshake in about 128 fails",
        "protocol text, data type SIG",
    ),
    "DsaRange": Note(
        "r and s are not checked to be from 1 to q - 1",
        "a signature that verifies for every value and key, or several for one value",
        "FIPS 186, DSA signature verification",
    ),
    "GroupElement": Note(
        "a D-H public key outside 2 to p - 2 is used",
        "the shared secret is known to everybody",
        "protocol text, Authenticated Key Exchange: the value must be in range",
    ),
    "SecretZeros": Note(
        "a number is hashed or sent with a fixed width",
        "one conversation in 256 fails, or the two sides have different keys",
        "protocol text, data type MPI; a defect found in several implementations",
    ),
    "Ends": Note(
        "the high end is decided by role, by length, or once for a conversation",
        "both sides use the same key for both directions, or the wrong one",
        "protocol text, Computing AES keys, MAC keys, and the secure session id",
    ),
    "SmpSecret": Note(
        "fingerprints in the wrong order, a ssid left out, or text that is changed before it is hashed",
        "equal secrets are found different, or a man in the middle passes",
        "protocol text, Socialist Millionaires' Protocol, secret information",
    ),
    "Header": Note(
        "version or type of a message is not looked at",
        "a message of another protocol is taken for one of this",
        "protocol text, Encoded messages",
    ),
    "FieldSize": Note(
        "a field that must have a certain size is not measured",
        "reading beyond its end, or a comparison of its beginning alone",
        "protocol text, D-H Commit and Reveal Signature Messages",
    ),
    "Commitment": Note(
        "the hash of the D-H Commit is not compared with the revealed value",
        "the committing side can choose its key after seeing the other one",
        "protocol text, Receiving a Reveal Signature Message",
    ),
    "Collision": Note(
        "hashes of two D-H Commits are compared as signed numbers, in part, or with a wrong outcome for equal ones",
        "two clients that begin at once wait for each other forever",
        "protocol text, Receiving a D-H Commit Message",
    ),
    "State": Note(
        "a handshake message is acted upon in a state that does not wait for it",
        "a handshake is disturbed, or completes with somebody else",
        "protocol text, Authentication state",
    ),
    "Policy": Note(
        "the policy is looked at for queries alone",
        "a version is spoken that the user has forbidden",
        "protocol text, Policies",
    ),
    "KeyId": Note(
        "key ids are signed, wrap around, are taken to be 1, or may be 0",
        "keys of another time are used, or a session gets stuck",
        "protocol text, Key Management",
    ),
    "Signed": Note(
        "what is signed is not what the two sides agreed on, or is not compared in all its parts",
        "somebody in the middle passes a proof on as their own",
        "protocol text, Reveal Signature and Signature Messages",
    ),
    "Mac": Note(
        "a MAC is not verified, over the wrong bytes, with the wrong key, or in part",
        "an attacker changes messages",
        "protocol text, Authenticated Key Exchange; Data Message",
    ),
    "Counter": Note(
        "counters are compared as signed numbers, moved by forged messages, or not at all",
        "a replayed message is shown again, or a key stream is used twice",
        "protocol text, Data Message: the counter must be strictly larger",
    ),
    "Flags": Note(
        "the flags byte is ignored, or bits without a meaning are acted upon",
        "two clients answer each other with errors, or a message is lost",
        "protocol text, Data Message",
    ),
    "Heartbeat": Note(
        "heartbeats come too often, too late, or answer each other",
        "keys are kept too long, or two clients never fall silent",
        "protocol text, Receiving a Data Message",
    ),
    "ExtraKey": Note(
        "the extra key is derived from other keys than those of the message with the TLV",
        "the two sides have different keys",
        "protocol text, Extra symmetric key",
    ),
    "SmpRun": Note(
        "numbers are not reduced, or in the wrong order",
        "runs fail with clients of other makers",
        "protocol text, Socialist Millionaires' Protocol",
    ),
    "SmpProof": Note(
        "a proof or the range of a group element is not checked",
        "somebody who does not know the secret passes, or learns something about it",
        "protocol text, the SMP state machine; a defect found in several implementations",
    ),
    "SmpForm": Note(
        "the count or the lengths in an SMP TLV are trusted",
        "reading beyond the end, memory that runs out, or null pointers",
        "protocol text, SMP Message TLVs; a defect found in a widely used library",
    ),
    "SmpState": Note(
        "an SMP message is acted upon in another state than that which expects it",
        "a run succeeds that nobody has made, or a client gets stuck",
        "protocol text, the SMP state machine",
    ),
    "Ratchet": Note(
        "keys are forgotten too early or too late, or change when they must not",
        "a conversation breaks after a lost message, or anyone who takes the device can read old messages",
        "protocol text, Key Management",
    ),
    "MacKeys": Note(
        "MAC keys are revealed while they are live, of the wrong direction, twice, or never",
        "messages can be forged in a running session, or can't be denied afterwards",
        "protocol text, Revealing MAC keys; a defect found in several implementations",
    ),
    "Forgery": Note(
        "a message under a revealed MAC key is accepted",
        "anybody can put words into a correspondent's mouth",
        "protocol text, Revealing MAC keys",
    ),
    "Unsent": Note(
        "texts that could not be sent are lost, sent in the clear, sent twice, or to somebody else",
        "a secret becomes known",
        "protocol text, User types a message to be sent",
    ),
    "Found": Note(
        "found by fuzzing, or in a run that was written down",
        "an implementation did something else than the engines do",
        "a transcript of Otterproof",
    ),
}
