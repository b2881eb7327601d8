"""The operations that a vector can ask for, each with the fields of its groups and cases and the expected results.

This table is the format: reading, writing, schemas, documentation and lint all derive from it. An implementer can
perform each operation with one of their functions, except `play`, which needs a whole client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .forms import (
    BIG,
    BOOL,
    HEX,
    INT,
    TEXT,
    WORD,
    Field,
    Form,
    Shape,
    VectorError,
    choice,
    listed,
    mapped,
    nullable,
    record,
    typed,
)

#: The data types of the protocol text.
TYPES = ("BYTE", "SHORT", "INT", "MPI", "DATA", "CTR", "MAC")

#: How a client reacts to something invalid.
REACTIONS = (
    "refused",  # a function that takes it rejects it
    "ignored",  # nothing is sent or shown, and the state stays the same
    "shown",  # it is shown to the user like any other text, and nothing else happens
    "reported",  # the user or the log is told; nothing is sent
    "error_message",  # an Error Message is sent, and the user is told
    "smp_abort",  # a data message with a type 6 TLV is sent, and SMP starts over
    "resent",  # an earlier message is sent again
    "accepted",  # the message as a whole is accepted; the invalid part is not acted upon
)

PUBLIC_KEY: Shape = {name: Field(BIG, f"`{name}` of the DSA key") for name in "pqgy"}
PRIVATE_KEY: Shape = {**PUBLIC_KEY, "x": Field(BIG, "the private exponent")}

PARTY: Shape = {
    "key": Field(record("DSA key with x", PRIVATE_KEY), "its long-term key"),
    "policy": Field(listed(WORD), "the policy's flags"),
    "instance_tag": Field(nullable(INT), "its own tag; null: it is drawn"),
    "max_message_size": Field(nullable(INT), "bytes; longer messages go out in fragments; null: never"),
    "heartbeat_interval": Field(nullable(INT), "seconds; null: no heartbeats"),
}


def _read_event(value: Any, where: str) -> dict[str, Any]:
    given = typed(value, dict, where)
    typed(given.get("event"), str, f"{where}.event")
    return given


EVENT = Form(
    "event",
    {"type": "object", "properties": {"event": {"type": "string"}}, "required": ["event"]},
    _read_event,
    lambda value: value,
)

STEP: Shape = {
    "time": Field(INT, "seconds; told to the party before the action, when it is not that of the step before", True),
    "action": Field(WORD, "`receive`, or what the user does, as in the driver protocol"),
    "args": Field(
        Form(
            "object",
            {"type": "object"},
            lambda value, where: dict(typed(value, dict, where)),
            lambda value: value,
        ),
        "its arguments, as in the driver protocol",
    ),
    "events": Field(listed(EVENT), "what the party gives, messages to send among them, in this order"),
}
STEPS = listed(record("step", STEP))

SESSION: Shape = {
    "instance": Field(INT, "the correspondent's tag; 0 in version 2"),
    "version": Field(INT, "0 before a handshake has completed"),
    "message_state": Field(choice("plaintext", "encrypted", "finished"), "msgstate"),
    "auth_state": Field(choice("none", "awaiting_dhkey", "awaiting_revealsig", "awaiting_sig"), "authstate"),
    "smp_state": Field(choice("expect1", "expect2", "expect3", "expect4"), "smpstate"),
    "smp_question_waiting": Field(BOOL, "whether the user is being asked for the secret"),
    "ssid": Field(HEX, "empty outside `encrypted`"),
    "fingerprint": Field(HEX, "of the correspondent's key"),
    "our_keyid": Field(INT, "0 outside `encrypted`"),
    "their_keyid": Field(INT, "0 outside `encrypted`"),
    "sent": Field(mapped(INT, "`our id,their id`"), "the last counter sent under a pair of keys"),
    "received": Field(mapped(INT, "`our id,their id`"), "the last counter accepted under a pair of keys"),
    "pending_mac_keys": Field(listed(HEX), "what the next data message reveals"),
}
STATE: Shape = {
    "heard_plaintext": Field(BOOL, "whether text came in the clear since PLAINTEXT was entered"),
    "sessions": Field(listed(record("session", SESSION)), "those that are not as at the beginning"),
    "stored": Field(listed(TEXT), "texts stored for sending"),
    "fragments": Field(mapped(WORD, "sender tag"), "`k,n` of the fragments stored"),
}

#: What is observable after the last step of a play.
_SEEN: Shape = {
    "sends": Field(listed(WORD), "the kinds of the messages that the last step sends"),
    "shows": Field(listed(TEXT), "the texts that the last step shows"),
}
_AFTER: Shape = {
    "unchanged": Field(BOOL, "whether the state is that from before the steps", True),
    "state": Field(record("state", STATE), "the state afterwards, when it is another one", True),
}

TLV: Shape = {"type": Field(INT, "its type"), "value": Field(HEX, "its value")}

NUMBERS = mapped(BIG, "name in the protocol text")


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation. group, case: the inputs; expect: what is right when the result is `valid`.

    refused: what is expected, besides the reaction, when the result is `invalid`.
    """

    name: str
    text: str
    group: Shape
    case: Shape
    expect: Shape
    refused: Shape = field(default_factory=dict)


_AKE_KEYS: Shape = {
    "secbytes": Field(HEX, "s as an MPI, as it is hashed"),
    "ssid": Field(HEX, "8 bytes"),
    "c": Field(HEX, "AES key of the Reveal Signature"),
    "c_primed": Field(HEX, "AES key of the Signature Message"),
    "m1": Field(HEX, "MAC key"),
    "m2": Field(HEX, "MAC key"),
    "m1_primed": Field(HEX, "MAC key"),
    "m2_primed": Field(HEX, "MAC key"),
}

_SESSION_KEYS: Shape = {
    "our_public": Field(BIG, "our public key"),
    "s": Field(BIG, "the shared secret"),
    "high_end": Field(BOOL, "whether we are the high end"),
    "sending_aes": Field(HEX, "16 bytes"),
    "sending_mac": Field(HEX, "20 bytes"),
    "receiving_aes": Field(HEX, "16 bytes"),
    "receiving_mac": Field(HEX, "20 bytes"),
    "extra_key": Field(HEX, "the extra symmetric key, 32 bytes"),
}

_ALL = (
    Operation(
        "value",
        "Read one value of a data type; the bytes are all there is. Writing the value gives the bytes again.",
        {"type": Field(choice(*TYPES), "the data type")},
        {"encoded": Field(HEX, "the bytes")},
        {
            "number": Field(BIG, "the value of a BYTE, SHORT, INT or MPI", True),
            "bytes": Field(HEX, "the value of a DATA, CTR or MAC", True),
        },
    ),
    Operation(
        "armour",
        "Find the binary message in a received text. Without flags, armouring it gives the text again.",
        {},
        {"text": Field(TEXT, "what was received")},
        {"binary": Field(HEX, "the binary message")},
    ),
    Operation(
        "offer",
        "A fresh client in PLAINTEXT receives a text. Valid: it begins a handshake, with a D-H Commit.",
        {"policy": Field(listed(WORD), "the policy's flags")},
        {"text": Field(TEXT, "what is received")},
        {
            "version": Field(INT, "of the D-H Commit that is sent"),
            "shown": Field(nullable(TEXT), "what the user sees, null: nothing"),
            "warned": Field(BOOL, "whether the user is warned that it came in the clear"),
        },
        {
            "shown": Field(nullable(TEXT), "what the user sees, null: nothing"),
            "warned": Field(BOOL, "whether the user is warned that it came in the clear"),
        },
    ),
    Operation(
        "assembly",
        "A fresh client receives messages one after the other. The whole messages in the fragments are Error Messages, "
        "so that what was put together can be seen. Valid: at least one is.",
        {"instance_tag": Field(INT, "the client's own tag"), "policy": Field(listed(WORD), "the policy's flags")},
        {"messages": Field(listed(TEXT), "what is received, in this order")},
        {
            "yields": Field(listed(nullable(TEXT)), "after each message: the text of the Error Message shown, or null"),
            "stored": Field(mapped(WORD, "sender tag"), "`k,n` of the fragments stored at the end"),
        },
        {"stored": Field(mapped(WORD, "sender tag"), "`k,n` of the fragments stored at the end")},
    ),
    Operation(
        "public_key",
        "Read a public key, and make its fingerprint.",
        {},
        {"encoded": Field(HEX, "PUBKEY")},
        {**PUBLIC_KEY, "fingerprint": Field(HEX, "20 bytes")},
    ),
    Operation(
        "sign",
        "Sign a MAC value with a given nonce.",
        {"key": Field(record("DSA key with x", PRIVATE_KEY), "the signer's")},
        {
            "mac": Field(HEX, "the 32 bytes that are signed"),
            "random": Field(HEX, "28 bytes; the nonce is this number mod (q - 1), plus 1"),
        },
        {"signature": Field(HEX, "SIG: r and s, 20 bytes each")},
    ),
    Operation(
        "verify",
        "Verify a signature of a MAC value.",
        {"key": Field(record("DSA key", PUBLIC_KEY), "the signer's")},
        {"mac": Field(HEX, "the 32 bytes that are signed"), "signature": Field(HEX, "SIG: r and s, 20 bytes each")},
        {},
    ),
    Operation(
        "exchange",
        "Make a D-H public key and the shared secret, as in the handshake. Invalid: their key is out of range.",
        {},
        {"private": Field(HEX, "our exponent"), "their_public": Field(BIG, "their public key")},
        {"our_public": Field(BIG, "our public key"), "s": Field(BIG, "the shared secret")},
    ),
    Operation(
        "handshake_keys",
        "Derive the values of a handshake from the shared secret.",
        {},
        {"s": Field(BIG, "the shared secret")},
        _AKE_KEYS,
    ),
    Operation(
        "session_keys",
        "Derive the keys for Data Messages under a pair of D-H keys.",
        {},
        {"private": Field(HEX, "our exponent"), "their_public": Field(BIG, "their public key")},
        _SESSION_KEYS,
    ),
    Operation(
        "open_commitment",
        "Open a D-H Commit with the revealed key.",
        {},
        {
            "revealed_key": Field(HEX, "r"),
            "encrypted_gx": Field(HEX, "content of the field"),
            "hashed_gx": Field(HEX, "content of the field"),
        },
        {"gx": Field(BIG, "the public key that was committed to")},
    ),
    Operation(
        "open_signature",
        "Decrypt and verify the encrypted signature of a Reveal Signature or Signature Message.",
        {
            "signer_public": Field(BIG, "the signer's D-H key"),
            "other_public": Field(BIG, "the verifier's D-H key"),
            "c": Field(HEX, "the AES key: c, or c' for a Signature Message"),
            "m1": Field(HEX, "the MAC key: m1, or m1'"),
            "m2": Field(HEX, "the MAC key: m2, or m2'"),
        },
        {
            "encrypted_signature": Field(HEX, "content of the field"),
            "mac": Field(HEX, "20 bytes"),
        },
        {"fingerprint": Field(HEX, "of the signer's key"), "keyid": Field(INT, "id of the signer's D-H key")},
    ),
    Operation(
        "open_data",
        "Verify and decrypt a Data Message with given keys.",
        {"aes_key": Field(HEX, "16 bytes"), "mac_key": Field(HEX, "20 bytes")},
        {"message": Field(TEXT, "as transmitted")},
        {
            "flags": Field(INT, "the flags byte"),
            "sender_keyid": Field(INT, "key id"),
            "recipient_keyid": Field(INT, "key id"),
            "next_dh": Field(BIG, "the next D-H key"),
            "ctr": Field(HEX, "top half of the counter"),
            "plaintext": Field(TEXT, "what was encrypted"),
            "old_mac_keys": Field(listed(HEX), "what is revealed"),
        },
    ),
    Operation(
        "plaintext",
        "Split the plaintext of a Data Message into its text and TLVs. Invalid: a TLV is cut short; what precedes it "
        "stands.",
        {},
        {"plaintext": Field(TEXT, "the decrypted bytes")},
        {"text": Field(TEXT, "what the user sees"), "tlvs": Field(listed(record("TLV", TLV)), "in order")},
        {"text": Field(TEXT, "what the user sees"), "tlvs": Field(listed(record("TLV", TLV)), "those that are whole")},
    ),
    Operation(
        "smp_secret",
        "Make the number that SMP compares.",
        {},
        {
            "initiator": Field(HEX, "fingerprint of who sent SMP message 1"),
            "responder": Field(HEX, "fingerprint of the other side"),
            "ssid": Field(HEX, "8 bytes"),
            "secret": Field(TEXT, "what the user typed"),
        },
        {"number": Field(BIG, "x or y")},
    ),
    Operation(
        "smp_run",
        "A whole run of SMP between two sides, from their random exponents.",
        {},
        {
            "x": Field(BIG, "the initiator's secret number"),
            "y": Field(BIG, "the responder's secret number"),
            "initiator": Field(mapped(HEX, "label and index"), "the initiator's randomness"),
            "responder": Field(mapped(HEX, "label and index"), "the responder's randomness"),
        },
        {
            **{f"message_{n}": Field(NUMBERS, f"the numbers of SMP message {n}") for n in (1, 2, 3, 4)},
            "equal": Field(BOOL, "what both sides find"),
        },
    ),
    Operation(
        "smp_check",
        "Check a received SMP message: the form of the TLV's value, the ranges, and the proofs.",
        {
            "message": Field(INT, "which SMP message, 1 to 4"),
            "known": Field(NUMBERS, "what the receiver has kept, by the names in the protocol text"),
        },
        {"value": Field(HEX, "the value of the TLV, without a question")},
        {"equal": Field(nullable(BOOL), "of messages 3 and 4: whether the secrets are the same")},
    ),
    Operation(
        "play",
        "A client made from `party`, with the randomness in `entropy`, is brought to a state by the steps of `prefix`; "
        "then come the steps of the case, the last of which is judged.",
        {
            "party": Field(record("party", PARTY), "what the client is made from"),
            "entropy": Field(mapped(HEX, "label and index"), "every random value that it draws, in the prefix too"),
            "prefix": Field(STEPS, "how the state is reached"),
            "sequel": Field(STEPS, "what comes out the same after each case that leaves the state unchanged", True),
            "values": Field(mapped(HEX, "name"), "intermediate values at the end of the prefix", True),
        },
        {"steps": Field(STEPS, "what happens, and what the client does (in the first reading, where readings differ)")},
        {**_SEEN, **_AFTER, "values": Field(mapped(HEX, "name"), "intermediate values", True)},
        {
            "reason": Field(WORD, "why: a `Reason` in implementations/contract.py", True),
            **_SEEN,
            **_AFTER,
        },
    ),
)

#: Operations by name.
OPERATIONS: Mapping[str, Operation] = {operation.name: operation for operation in _ALL}


@dataclass(frozen=True, slots=True)
class Kind:
    """One file of vectors: its topic, and the operations that its groups use."""

    name: str
    text: str
    operations: tuple[str, ...]


_KINDS = (
    Kind("encodings", "BYTE, SHORT, INT, MPI, DATA, CTR and MAC.", ("value",)),
    Kind("armour", "The base64 armour around binary messages.", ("armour", "play")),
    Kind("queries", "Query messages, and the version that is chosen.", ("offer", "play")),
    Kind("whitespace_tags", "Whitespace tags, and the version that is chosen.", ("offer", "play")),
    Kind("error_messages", "Error Messages.", ("play",)),
    Kind("fragments", "Fragments: assembly, illegal ones, interleaved ones.", ("assembly", "play")),
    Kind("instance_tags", "Instance tags in messages and fragments.", ("play",)),
    Kind("public_keys", "DSA public keys and their fingerprints.", ("public_key",)),
    Kind("signatures", "DSA signatures of MAC values.", ("sign", "verify")),
    Kind("handshake_keys", "The exchange, and what is derived from its secret.", ("exchange", "handshake_keys")),
    Kind("dh_commit", "D-H Commit Messages.", ("open_commitment", "play")),
    Kind("dh_key", "D-H Key Messages.", ("play",)),
    Kind("reveal_signature", "Reveal Signature Messages.", ("open_signature", "play")),
    Kind("signature", "Signature Messages.", ("open_signature", "play")),
    Kind("session_keys", "Keys for Data Messages, high end and low end.", ("session_keys",)),
    Kind("data_messages", "Data Messages: encryption, MAC, counters, key ids, flags.", ("open_data", "play")),
    Kind("tlvs", "The plaintext of Data Messages and its TLVs.", ("plaintext", "play")),
    Kind("mac_keys", "Revealed MAC keys over rotations of keys.", ("play",)),
    Kind("extra_key", "The extra symmetric key.", ("play",)),
    Kind("smp_secrets", "The numbers that SMP compares.", ("smp_secret",)),
    Kind("smp_proofs", "SMP's numbers and proofs.", ("smp_run", "smp_check")),
    Kind("smp_messages", "SMP messages in each state.", ("play",)),
    Kind("conversations", "Whole conversations from each party's point of view.", ("play",)),
    Kind("ratchet", "Key management under loss, repetition and reordering.", ("play",)),
    Kind("forgeries", "Messages forged with revealed MAC keys.", ("open_data", "play")),
    Kind("policies", "Policies, message states and what a user does.", ("play",)),
    Kind("found", "Cases that were found by fuzzing, made from transcripts.", ("play",)),
)

#: Kinds by name, in listing order. `found` may have no file.
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _KINDS}


def operation(name: str, where: str) -> Operation:
    """The operation with this name, or VectorError."""
    found = OPERATIONS.get(name)
    if found is None:
        raise VectorError(where, f"unknown operation {name!r:.40}; there are {', '.join(OPERATIONS)}")
    return found
