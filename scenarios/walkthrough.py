"""How OTR works, told step by step on a real conversation, each step asserted on the wire.

Alice is the target. Bob is the scenario itself: it holds valid keys and recomputes everything with the harness's own
arithmetic, so that nothing is taken on trust. A `WalkthroughPage` collects the text of the conversation, from which
`otterproof docs` writes docs/explanation/walkthrough.md.
"""

from __future__ import annotations

import hashlib
import hmac
import textwrap
from collections.abc import Sequence
from typing import cast

from otterproof.harness import wire
from otterproof.harness.spec import pages
from otterproof.harness.targets.engines import EngineTarget
from otterproof.harness.testkit.context import Context, TargetSession, check, check_equal, check_told
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.reply import TARGET
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import DH_GENERATOR, Kind, Message, crypto
from otterproof.harness.wire.layers import parse_plaintext, parse_signature_block
from otterproof.harness.wire.mutate import flip_bit
from otterproof.harness.wire.numbers import dsa_verifies, mpi, power, public_key
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import (
    DsaPublicKey,
    Engine,
    RatchetSnapshot,
    SessionEstablished,
    UserEndedSession,
)


class WalkthroughPage:
    """The text of the page, as Markdown. It is finished only if all checks of the run hold."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def chapter(self, title: str) -> None:
        self._lines += [f"## {title}", ""]

    def paragraph(self, text: str) -> None:
        """A paragraph."""
        self._lines += [textwrap.fill(" ".join(text.split()), 120), ""]

    def message(self, sender: str, message: bytes) -> None:
        """A message on the wire, field by field."""
        self._lines += [f"{sender} sends:", "", "```text", wire.dissect(message), "```", ""]

    def values(self, **values: bytes | int) -> None:
        """Values by name, in hexadecimal."""
        width = max(map(len, values))
        self._lines += ["```text", *(f"{name:{width}}  {_hex(value)}" for name, value in values.items()), "```", ""]

    def markdown(self) -> str:
        return "\n".join(self._lines)


def _hex(value: bytes | int) -> str:
    text = f"{value:x}" if isinstance(value, int) else value.hex()
    return text if len(text) <= 80 else f"{text[:36]} ... {text[-36:]} ({len(text) // 2} bytes)"


@scenario(
    requirements=(
        "AKE-OUTLINE-1",
        "AKE-OUTLINE-2",
        "AKE-OUTLINE-3",
        "AKE-VERIFY-5",
        "DERIVE-DATA-1",
        "DERIVE-DATA-3",
        "DERIVE-DATA-4",
        "DATA-FORM-6",
        "DATA-NEXT-1",
        "DATA-CTR-1",
        "DATA-ENC-1",
        "DATA-ENC-2",
        "DATA-MAC-1",
        "DATA-MAC-2",
        "!DATA-MAC-2",
        "DATA-ORDER-2",
        "KEYMGMT-SEND-1",
        "KEYMGMT-SEND-4",
        "KEYMGMT-ROTATE-1",
        "MACREVEAL-WHAT-1",
        "USER-START-1",
        "USER-END-2",
        "STATE-ENCRYPTED-1",
    )
)
def how_otr_works(context: Context) -> None:
    """A whole conversation, step by step, with every value recomputed.

    It goes from the query, the key exchange and the authentication to messages whose keys change, forgery with revealed
    keys, and the end.
    """
    hold_conversation(context.target_session(), WalkthroughPage())


def hold_conversation(alice: TargetSession, page: WalkthroughPage) -> None:
    """The whole conversation; a paragraph and a check for each step."""
    bob = alice.insider("bob")
    start(alice, page)
    key_exchange(alice, bob, page)
    first = first_message(alice, bob, page)
    acknowledgement(alice, bob, first, page)
    _receiver(alice, bob, page)
    _forgery(alice, bob, first, page)
    _end(alice, bob, page)


def start(alice: TargetSession, page: WalkthroughPage) -> None:
    """Alice's user asks for a private conversation."""
    page.chapter("The query")
    page.paragraph(
        """Alice's user asks for a private conversation. Her client sends a Query Message: plain text that any
        client can show, with the versions that it is willing to speak."""
    )
    query = alice.user("start").message(Kind.QUERY)
    page.message("Alice", wire.build(query))
    offered = wire.offered_versions(query)
    expected, got = alice.version, sorted(offered)
    check("query.wrong-versions-offered", alice.version in offered, expected=expected, got=got)


def key_exchange(alice: TargetSession, bob: Insider, page: WalkthroughPage) -> None:
    """The handshake, to the end."""
    page.chapter("The ephemeral key exchange")
    page.paragraph(
        """Bob's client draws a secret number x and computes g^x, a key for this conversation alone. It does not reveal
        g^x yet: it sends g^x encrypted under a random key r, together with the hash of g^x. This commits Bob to a value
        that Alice does not know, so neither can choose a key to suit the other's."""
    )
    commit = bob.commit()
    page.message("Bob", commit)
    page.paragraph("Alice draws y and answers with g^y in the clear.")
    dh_key = alice.receive(commit).message(Kind.DH_KEY)
    page.message("Alice", wire.build(dh_key))
    page.paragraph(
        """Bob can now compute the common secret s = (g^y)^x. An eavesdropper can't. From hashes of s he derives a
        session id that both users can compare, two encryption keys and four MAC keys for the rest of the handshake."""
    )
    gx, gy = power(DH_GENERATOR, bob.x), dh_key.number("gy")
    keys = crypto.handshake_keys(power(gy, bob.x))
    page.values(s=power(gy, bob.x), ssid=keys.ssid, c=keys.c, m1=keys.m1, m2=keys.m2)

    page.chapter("Authentication inside the channel")
    page.paragraph(
        """So far, each shares a secret with an unknown party. Their long-term DSA keys show who that is. These keys are
        sent inside the channel, where nobody else sees them. Bob reveals r, so that Alice can open the commitment and
        compute s as well. He also sends, encrypted under c and with a MAC under m2, his public key and his signature of
        a MAC (under m1) over both D-H keys, this public key and the number of his D-H key."""
    )
    reveal = bob.reveal_signature(wire.build(dh_key))
    page.message("Bob", reveal)
    page.paragraph("Alice does the same in the other direction, with the other half of the keys.")
    reply = alice.receive(reveal)
    signature = reply.message(Kind.SIGNATURE)
    page.message("Alice", wire.build(signature))
    key = _assert_signed(signature, keys, gx, gy, page)
    established = reply.one(SessionEstablished)
    check_told("session.ssid-differs", established.ssid, keys.ssid)
    assert_hidden([wire.parse(commit), dh_key, wire.parse(reveal), signature], [key, bob.key.public])
    _assert_ratchet(alice, bob, sent=0)


def assert_hidden(messages: Sequence[Message], keys: Sequence[DsaPublicKey]) -> None:
    """Demand that no message has a long-term key in it that is not encrypted."""
    for message in messages:
        found = [key for key in keys if mpi(key.y)[4:] in message.body]
        check("handshake.identity-in-clear", not found, expected="only encrypted keys", got=message)


def _assert_signed(
    signature: Message, keys: crypto.HandshakeKeys, gx: int, gy: int, page: WalkthroughPage
) -> DsaPublicKey:
    """Bob opens and verifies Alice's Signature Message; her long-term key."""
    expected = hmac.digest(keys.m2_primed, signature.raw("encrypted_signature"), "sha256")[:20]
    mac = signature.data("mac")
    check_equal("derivation.signature-mac-wrong", mac, expected)
    block = parse_signature_block(crypto.signature_block(signature, keys.c_primed))
    key = DsaPublicKey(*(cast(int, block.value(name)) for name in "pqgy"))
    keyid = cast(int, block.value("keyid"))
    signed = hmac.digest(keys.m1_primed, mpi(gy) + mpi(gx) + public_key(key) + keyid.to_bytes(4), "sha256")
    pair = cast(bytes, block.value("signature"))
    verifies = dsa_verifies(key, signed, pair)
    check("encoding.signature-wrong", verifies, expected="a signature that verifies", got=pair)
    page.paragraph(
        """Bob verifies the MAC, decrypts, and verifies the signature with the public key that he decrypted. Its
        fingerprint tells his user who this is. Both are now in the state ENCRYPTED."""
    )
    page.values(signed=signed, r=pair[:20], s=pair[20:], fingerprint=hashlib.sha1(public_key(key)[2:]).digest())
    return key


def first_message(alice: TargetSession, bob: Insider, page: WalkthroughPage) -> Message:
    """Alice's first Data Message, which is given back."""
    page.chapter("A message, and the next key")
    page.paragraph(
        """Alice writes. Both have numbered their D-H keys. The message says which of her keys and which of his it is
        encrypted with (1 and 1), and carries her next public key, number 2, for later."""
    )
    message = alice.user("send", text=b"Hello, Bob").message(Kind.DATA)
    page.message("Alice", wire.build(message))
    _assert_key_ids(message, 1, 1)
    new = message.number("next_dh") not in bob.theirs.values()
    check("keys.next-key-not-new", new, got="the key of the handshake")
    check("text.sent-in-clear", b"Hello" not in message.body, expected="an encrypted text", got=message.body)

    s = power(bob.theirs[1], bob.exponents[1])
    low = bob.theirs[1] < power(DH_GENERATOR, bob.exponents[1])
    aes_key = hashlib.sha1(bytes([2 if low else 1]) + crypto.secbytes(s)).digest()[:16]
    mac_key = hashlib.sha1(aes_key).digest()
    number, byte = ("lower", 2) if low else ("higher", 1)
    page.paragraph(
        f"""From the common secret s of these two keys, both derive the same AES key and MAC key. The AES key is the
        first 128 bits of the hash of one byte and s. (The byte tells the two directions apart. Alice's public key is
        the {number} number of the two, so the byte is {byte} for what she sends.) The MAC key is the hash of the AES
        key."""
    )
    page.values(s=s, aes_key=aes_key, mac_key=mac_key)
    covered = message.mac_input()
    page.paragraph(
        """The text is encrypted with AES in counter mode, starting from the counter c. T is the whole message so far,
        including c and the encrypted text. It is followed by MAC(T), 20 bytes."""
    )
    page.values(c=message.data("ctr"), T=covered, MAC_T=hmac.digest(mac_key, covered, "sha1"))
    mac, expected = message.data("mac"), hmac.digest(mac_key, covered, "sha1")
    check_equal("data.mac-wrong", mac, expected)
    text = parse_plaintext(crypto.aes_ctr(aes_key, message.data("ctr"), message.data("encrypted_message"))).text
    check_equal("data.encrypted-wrongly", text, b"Hello, Bob")
    _assert_ratchet(alice, bob, sent=1)
    return message


def _assert_key_ids(message: Message, own: int, bobs: int) -> None:
    """Demand that Alice sends a message under a key of hers, to a key of Bob's."""
    sender, recipient = message.number("sender_keyid"), message.number("recipient_keyid")
    check("keys.wrong-sender-key", sender == own, expected=f"key id {own}", got=f"key id {sender}")
    check("keys.wrong-recipient-key", recipient == bobs, expected=f"key id {bobs}", got=f"key id {recipient}")


def acknowledgement(alice: TargetSession, bob: Insider, first: Message, page: WalkthroughPage) -> None:
    """Bob's reply to the first Data Message, and Alice's next one."""
    page.chapter("The reply that acknowledges the key")
    page.paragraph(
        """Bob's reply is encrypted with Alice's key number 2. By naming that key, he acknowledges that he has it. The
        reply also carries his own next key."""
    )
    bob.read(wire.build(first))
    reply = bob.data(b"Hello, Alice")
    page.message("Bob", reply)
    alice.receive(reply).assert_shown("text.not-delivered", b"Hello, Alice")
    page.paragraph(
        """Alice now uses key 2, draws key 3 and forgets key 1. Nobody can decrypt what was said under key 1 any more,
        not even Alice. Her next message has the sender key id 2 and announces key 3."""
    )
    second = alice.user("send", text=b"How are you?").message(Kind.DATA)
    page.message("Alice", wire.build(second))
    _assert_key_ids(second, 2, 2)
    text = alice.read(bob, second).text
    check_equal("text.changed-on-the-way", text, b"How are you?")
    _assert_ratchet(alice, bob, sent=1)


def _receiver(alice: TargetSession, bob: Insider, page: WalkthroughPage) -> None:
    page.chapter("The receiver recomputes, compares, then decrypts")
    page.paragraph(
        """An attacker on the network inverts one bit of the encrypted text. In counter mode, this would invert the
        same bit of the decrypted text. But Alice first computes MAC(T) herself and compares it with the MAC in the
        message. They differ, so she decrypts nothing, shows nothing and changes no key. She reads the genuine message
        as usual."""
    )
    genuine = bob.data(b"Fine")
    where = 8 * wire.parse(genuine).field("encrypted_message").offset + 39
    forged = alice.receive(flip_bit(genuine, where))
    forged.assert_rejected("data.mac-not-verified", "a message with an inverted bit in the encrypted text")
    alice.receive(genuine).assert_shown("text.not-delivered", b"Fine")


def _forgery(alice: TargetSession, bob: Insider, first: Message, page: WalkthroughPage) -> None:
    page.chapter("Why nobody can prove it")
    page.paragraph(
        """Both sides know the MAC keys, so any message that Bob presents as Alice's could be his own forgery. OTR goes
        further: a MAC key that is not needed any more is published. Alice verified Bob's first reply with such a key.
        She has forgotten the D-H keys that it was derived from, and her next message reveals the MAC key in the
        clear."""
    )
    revealed: list[bytes] = []
    for number in range(2):
        message = alice.user("send", text=b"Number %d" % number).message(Kind.DATA)
        alice.read(bob, message)
        revealed += message.revealed_mac_keys()
        alice.assert_receives_text(bob, b"Number %d heard" % number)
    verified = bob.keys(1, 2).sending_mac
    case = "the MAC key that verified Bob's first reply"
    check("mac-reveal.used-key-not-revealed", verified in revealed, expected=verified, got=revealed, case=case)
    page.values(revealed=verified)
    page.paragraph(
        """With this key, anybody can put other words into that reply and give it a valid MAC. Once the conversation
        has gone on, a transcript proves nothing about anybody."""
    )
    keys = bob.keys(1, 2)
    bob_said = wire.parse(bob.data(b"Hello, Alice", under=(1, 2)))
    forged = crypto.mac_data(crypto.encrypt_data(bob_said, keys.sending_aes, b"Hello, Eve.."), verified)
    case = "a message forged with a revealed key"
    alice.receive(wire.build(forged)).assert_rejected("mac-reveal.revealed-key-accepted", case)


def _end(alice: TargetSession, bob: Insider, page: WalkthroughPage) -> None:
    page.chapter("The end")
    page.paragraph(
        """Alice's user ends the conversation. Her client says so in a last encrypted message, which has a TLV (type,
        length, value) after an empty text, and forgets all keys. Bob's client sends nothing more until its user ends
        or restarts the conversation, so that nothing meant for Alice alone goes out in the clear."""
    )
    reply = alice.user("end")
    last = reply.message(Kind.DATA)
    page.message("Alice", wire.build(last))
    plaintext = alice.read(bob, last)
    types = [tlv.type for tlv in plaintext.tlvs if tlv.type != 0]  # padding is anybody's choice
    one = types == [1]
    check("user.end-without-disconnected-tlv", one, expected="one TLV of type 1", got=f"TLV types: {shown(types)}")
    check("user.end-has-text", plaintext.text == b"", expected="no text", got=plaintext.text)
    reply.one(UserEndedSession)
    late = "a message after the user ended the session"
    alice.receive(bob.data(b"Are you there?")).assert_rejected("state.ended-session-read", late)


def _assert_ratchet(alice: TargetSession, bob: Insider, sent: int) -> None:
    """Demand that the keys that the target holds, if it shows them, were announced under the ids that it shows."""
    ratchet = _ratchet(alice)
    if ratchet is None:
        return
    own = sorted(ratchet.our_keys)
    two = ratchet.our_keyid - 1 in own and len(own) == 2
    check("keys.held-keys-differ", two, expected="two keys of her own", got=f"key ids {shown(own)}", case="Alice")
    known = {keyid: power(DH_GENERATOR, exponent) for keyid, exponent in bob.exponents.items()}
    announced = bool(ratchet.their_keys) and ratchet.their_keys.items() <= known.items()
    expected, got = "keys that Bob announced, under their ids", sorted(ratchet.their_keys)
    check("keys.held-keys-differ", announced, expected=expected, got=f"key ids {shown(got)}", case="Alice")
    number = ratchet.sent.get((ratchet.our_keyid - 1, ratchet.their_keyid), 0)
    check_equal("keys.held-counter-differs", number, sent, case="messages that Alice sent")


def _ratchet(alice: TargetSession) -> RatchetSnapshot | None:
    """What the target shows of its ratchet; None if it shows nothing."""
    party = alice.world.parties[TARGET]
    if not hasattr(party, "inspect"):
        return None
    sessions = cast(Engine, party).inspect().sessions
    return next((session.ratchet for session in sessions if session.ratchet is not None), None)


_OPENING = """# How OTR works

A conversation in version 3, step by step, as it is on the wire. Alice is the reference engine. Bob is the scenario
`walkthrough.how_otr_works`, which recomputes every value and checks each step. `otterproof check TARGET --only
walkthrough` holds the same conversation with any target. `otterproof docs` makes this page from a run of the scenario.
"""


def walkthrough_page() -> str:
    """The page, from a run with the reference engine."""
    page = WalkthroughPage()
    hold_conversation(Context(EngineTarget("reference"), 3, b"walkthrough").target_session(), page)
    return f"{_OPENING}\n{page.markdown()}"


pages.register("explanation/walkthrough.md", walkthrough_page)
