"""How OTR works, told step by step on a real conversation, each step asserted on the wire.

Alice is the target. Bob is the scenario itself: he holds valid keys and recomputes everything with the harness's own
arithmetic, so that nothing is taken on trust. Told to a `Story` the same conversation becomes a page:
`otterproof docs` writes docs/walkthrough.md.
"""

from __future__ import annotations

import hashlib
import hmac
import textwrap
from typing import cast

from otterproof.harness import wire
from otterproof.harness.spec import pages
from otterproof.harness.targets.engines import EngineTarget
from otterproof.harness.testkit.context import Context, TargetSession, check
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.reply import TARGET
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import DH_GENERATOR, Kind, Message, crypto
from otterproof.harness.wire.layers import parse_plaintext, parse_signature_block
from otterproof.harness.wire.mutate import flip_bit
from otterproof.harness.wire.numbers import dsa_verifies, mpi, power, public_key
from otterproof.implementations.contract import DsaPublicKey, Ended, Engine, Established, RatchetSnapshot


class Story:
    """What is told, as Markdown. Told by a run in which the checks hold, or not at all."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def chapter(self, title: str) -> None:
        self._lines += [f"## {title}", ""]

    def tell(self, text: str) -> None:
        """A paragraph."""
        self._lines += [textwrap.fill(" ".join(text.split()), 120), ""]

    def show(self, sender: str, message: bytes) -> None:
        """A message on the wire, field by field."""
        self._lines += [f"{sender} sends:", "", "```text", wire.dissect(message), "```", ""]

    def values(self, **values: bytes | int) -> None:
        """Values by name, in hexadecimal."""
        width = max(map(len, values))
        self._lines += ["```text", *(f"{name:{width}}  {_hex(value)}" for name, value in values.items()), "```", ""]

    def page(self) -> str:
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
    """A whole conversation, told step by step: query, key exchange, authentication, messages whose keys change, forgery
    with keys that were revealed, and the end.
    """
    tell(context.target_session(), Story())


def tell(alice: TargetSession, story: Story) -> None:
    """The whole conversation; a paragraph and a check for each step."""
    bob = alice.insider("bob")
    _query(alice, story)
    _key_exchange(alice, bob, story)
    first = _message(alice, bob, story)
    _acknowledgement(alice, bob, first, story)
    _receiver(alice, bob, story)
    _forgery(alice, bob, first, story)
    _end(alice, bob, story)


def _query(alice: TargetSession, story: Story) -> None:
    story.chapter("The query")
    story.tell(
        """Alice's user asks for a private conversation. Her client says so in plain words that any client could show: a
        Query Message, which lists the versions that it would speak."""
    )
    query = alice.user("start").message(Kind.QUERY)
    story.show("Alice", wire.build(query))
    offered = wire.offered_versions(query)
    check(alice.version in offered, f"the query offers version {alice.version}, and it offers {sorted(offered)}")


def _key_exchange(alice: TargetSession, bob: Insider, story: Story) -> None:
    story.chapter("The ephemeral key exchange")
    story.tell(
        """Bob's client draws a secret number x and computes g^x, a key for this conversation alone. It does not show it
        yet: it sends g^x encrypted under a random key r, and the hash of g^x. So Bob is committed to a value that Alice
        does not know: neither can choose a key to suit the other's."""
    )
    commit = bob.commit()
    story.show("Bob", commit)
    story.tell("Alice draws y and answers with g^y in the clear.")
    dh_key = alice.receive(commit).message(Kind.DH_KEY)
    story.show("Alice", wire.build(dh_key))
    story.tell(
        """Bob can now compute the common secret s = (g^y)^x. Whoever only listens can't. From s he derives, each by a
        hash
        of its own, a session id that both users can compare, two encryption keys and four MAC keys for what follows."""
    )
    gx, gy = power(DH_GENERATOR, bob.x), dh_key.number("gy")
    keys = crypto.handshake_keys(power(gy, bob.x))
    story.values(s=power(gy, bob.x), ssid=keys.ssid, c=keys.c, m1=keys.m1, m2=keys.m2)

    story.chapter("Authentication inside the channel")
    story.tell(
        """So far each has a secret with somebody. Who that is, their long-term DSA keys say, inside the channel where
        nobody else sees them. Bob reveals r, so that Alice can open the commitment and compute s as well. Then,
        encrypted under c and with a MAC under m2: his public key and his signature of a MAC (under m1) over both D-H
        keys, this public key
        and the number of his D-H key."""
    )
    reveal = bob.reveal_signature(wire.build(dh_key))
    story.show("Bob", reveal)
    story.tell("Alice does the same in the other direction, with the other half of the keys.")
    reply = alice.receive(reveal)
    signature = reply.message(Kind.SIGNATURE)
    story.show("Alice", wire.build(signature))
    _signed(signature, keys, gx, gy, story)
    established = reply.one(Established)
    same = established.ssid == keys.ssid or not alice.tells("established", "ssid")
    check(same, "Alice shows the session id that Bob computed")
    bare = public_key(bob.key.public)[2:]
    check(bare not in b"".join(bytes(m) for m in (commit, reveal)), "Bob's long-term key is not on the wire as it is")
    _asserts_ratchet(alice, bob, sent=0)


def _signed(signature: Message, keys: crypto.HandshakeKeys, gx: int, gy: int, story: Story) -> None:
    """Bob opens and verifies Alice's Signature Message."""
    expected = hmac.digest(keys.m2_primed, signature.raw("encrypted_signature"), "sha256")[:20]
    check(signature.data("mac") == expected, "the MAC of the encrypted signature is right under m2'")
    block = parse_signature_block(crypto.signature_block(signature, keys.c_primed))
    key = DsaPublicKey(*(cast(int, block.value(name)) for name in "pqgy"))
    keyid = cast(int, block.value("keyid"))
    signed = hmac.digest(keys.m1_primed, mpi(gy) + mpi(gx) + public_key(key) + keyid.to_bytes(4), "sha256")
    pair = cast(bytes, block.value("signature"))
    check(dsa_verifies(key, signed, pair), "Alice's DSA signature of both D-H keys and her public key verifies")
    story.tell(
        """Bob compares the MAC, decrypts, and verifies the signature with the public key that he found. Its fingerprint
        tells
        his user who this is. Both are now in the state ENCRYPTED."""
    )
    story.values(signed=signed, r=pair[:20], s=pair[20:], fingerprint=hashlib.sha1(public_key(key)[2:]).digest())


def _message(alice: TargetSession, bob: Insider, story: Story) -> Message:
    story.chapter("A message, and the next key")
    story.tell(
        """Alice writes. Both have numbered their D-H keys; the message says which of hers and which of his it is
        encrypted with
        (1 and 1), and carries her next public key, number 2, for later."""
    )
    message = alice.user("send", text=b"Hello, Bob").message(Kind.DATA)
    story.show("Alice", wire.build(message))
    check((message.number("sender_keyid"), message.number("recipient_keyid")) == (1, 1), "it is under the keys 1 and 1")
    check(message.number("next_dh") not in bob.theirs.values(), "it carries a D-H key that was not seen before")
    check(int.from_bytes(message.data("ctr")) > 0, "the counter is above 0")
    check(b"Hello" not in message.body, "the text is not to be seen")

    s = power(bob.theirs[1], bob.exponents[1])
    low = bob.theirs[1] < power(DH_GENERATOR, bob.exponents[1])
    aes_key = hashlib.sha1(bytes([2 if low else 1]) + crypto.secbytes(s)).digest()[:16]
    mac_key = hashlib.sha1(aes_key).digest()
    number, byte = ("lower", 2) if low else ("higher", 1)
    story.tell(
        f"""From the common secret s of these two keys, both derive the same: the AES key is the first 128 bits of the
        hash of one byte and s. (The byte tells the two directions apart. Of the two public keys Alice's is the {number}
        number, so for what she sends it is {byte}.) The MAC key is the hash of the AES key."""
    )
    story.values(s=s, aes_key=aes_key, mac_key=mac_key)
    covered = message.mac_input()
    story.tell(
        """The text is encrypted with AES in counter mode from the counter c on. All of the message so far, c and the
        encrypted
        text included, is T. What follows T is MAC(T), 20 bytes."""
    )
    story.values(c=message.data("ctr"), T=covered, MAC_T=hmac.digest(mac_key, covered, "sha1"))
    check(
        message.data("mac") == hmac.digest(mac_key, covered, "sha1"),
        "the MAC of T is right under the hash of the AES key",
    )
    text = parse_plaintext(crypto.aes_ctr(aes_key, message.data("ctr"), message.data("encrypted_message"))).text
    check(text == b"Hello, Bob", f"the text is decrypted from counter c on, and became {text!r}")
    _asserts_ratchet(alice, bob, sent=1)
    return message


def _acknowledgement(alice: TargetSession, bob: Insider, first: Message, story: Story) -> None:
    story.chapter("The reply that acknowledges the key")
    story.tell(
        """Bob's reply is encrypted with Alice's key number 2. By naming it he acknowledges that he has it. His reply
        carries
        his own next key."""
    )
    bob.read(wire.build(first))
    reply = bob.data(b"Hello, Alice")
    story.show("Bob", reply)
    check(wire.parse(reply).number("recipient_keyid") == 2, "the reply names Alice's key 2")
    alice.receive(reply).assert_shown(b"Hello, Alice")
    story.tell(
        """From now on Alice uses key 2, draws key 3 and forgets key 1: what was said under it nobody can decrypt any
        more, not
        even she. Her next message says so: sender key id 2, and key 3 announced."""
    )
    second = alice.user("send", text=b"How are you?").message(Kind.DATA)
    story.show("Alice", wire.build(second))
    check(second.number("sender_keyid") == 2, f"Alice uses key 2, and used {second.number('sender_keyid')}")
    check(second.number("recipient_keyid") == 2, f"she uses Bob's key 2, and used {second.number('recipient_keyid')}")
    check(alice.read(bob, second).text == b"How are you?", "the text can be read with the new keys")
    check(second.data("encrypted_message") != first.data("encrypted_message"), "it is encrypted anew")
    _asserts_ratchet(alice, bob, sent=1)


def _receiver(alice: TargetSession, bob: Insider, story: Story) -> None:
    story.chapter("The receiver recomputes, compares, then decrypts")
    story.tell(
        """Somebody on the way inverts one bit of the encrypted text. In counter mode that would invert one bit of what
        is read. But Alice first computes MAC(T) herself and compares: it differs, so she decrypts nothing, shows
        nothing and changes
        no key. The genuine message is read as if nothing had been."""
    )
    genuine = bob.data(b"Fine")
    where = 8 * wire.parse(genuine).field("encrypted_message").offset + 39
    forged = alice.receive(flip_bit(genuine, where))
    forged.assert_rejected("a message with an inverted bit")
    alice.receive(genuine).assert_shown(b"Fine")


def _forgery(alice: TargetSession, bob: Insider, first: Message, story: Story) -> None:
    story.chapter("Why nobody can prove it")
    story.tell(
        """A MAC key is known to both, so what Bob shows to others as Alice's message he could have made himself. OTR
        goes further: a MAC key that has done its work is published. Alice verified Bob's first reply with one; the key
        pair it
        belongs to is forgotten, and the key goes out in the clear in her next message."""
    )
    revealed: list[bytes] = []
    for number in range(2):
        message = alice.user("send", text=b"Number %d" % number).message(Kind.DATA)
        alice.read(bob, message)
        block = message.data("old_mac_keys")
        revealed += [block[at : at + 20] for at in range(0, len(block), 20)]
        alice.assert_receives_text(bob, b"Number %d heard" % number)
    verified = bob.keys(1, 2).sending_mac
    check(verified in revealed, "the MAC key with which Bob's first reply was verified is revealed")
    story.values(revealed=verified)
    story.tell(
        """With it anybody can put other words into that reply and give it a MAC that is right. A transcript proves
        nothing
        about anybody, once the conversation has gone on."""
    )
    keys = bob.keys(1, 2)
    bob_said = wire.parse(bob.data(b"Hello, Alice", under=(1, 2)))
    forged = crypto.mac_data(crypto.encrypt_data(bob_said, keys.sending_aes, b"Hello, Eve.."), verified)
    check(crypto.verifies(forged, verified), "a forger's message verifies under the revealed key")
    alice.receive(wire.build(forged)).assert_rejected("a message under a key that was revealed")


def _end(alice: TargetSession, bob: Insider, story: Story) -> None:
    story.chapter("The end")
    story.tell(
        """Alice's user ends the conversation. Her client says so in a last encrypted message, with a TLV (type, length,
        value) behind the text, which is empty, and forgets all keys. Bob's client will not send anything more until its
        user has
        taken note, so that nothing meant for Alice alone goes out in the clear."""
    )
    reply = alice.user("end")
    last = reply.message(Kind.DATA)
    story.show("Alice", wire.build(last))
    plaintext = alice.read(bob, last)
    types = [tlv.type for tlv in plaintext.tlvs if tlv.type != 0]  # padding is anybody's choice
    check(types == [1], f"it has the Disconnected TLV (1), and there were {types}")
    check(plaintext.text == b"", "it has no text")
    reply.one(Ended)
    alice.receive(bob.data(b"Are you there?")).assert_rejected("a message after the end")


def _asserts_ratchet(alice: TargetSession, bob: Insider, sent: int) -> None:
    """Where the target shows its state: the keys are the announced ones, their numbers as on the wire.

    Engines run in lockstep here: what one shows, the other has shown too.
    """
    ratchet = _ratchet(alice)
    if ratchet is None:
        return
    check(ratchet.our_keyid - 1 in ratchet.our_keys and len(ratchet.our_keys) == 2, "Alice holds two keys of her own")
    check(min(ratchet.their_keys.values()) > 1, "she holds Bob's keys")
    known = {keyid: power(DH_GENERATOR, exponent) for keyid, exponent in bob.exponents.items()}
    check(ratchet.their_keys.items() <= known.items(), "the keys that she holds of Bob's are those that he announced")
    pair = (ratchet.our_keyid - 1, ratchet.their_keyid)
    check(ratchet.sent.get(pair, 0) == sent, f"under the keys {pair} she has sent {sent} messages")


def _ratchet(alice: TargetSession) -> RatchetSnapshot | None:
    """What the target shows of its ratchet; None if it shows nothing."""
    party = alice.world.parties[TARGET]
    if not hasattr(party, "inspect"):
        return None
    sessions = cast(Engine, party).inspect().sessions
    return next((session.ratchet for session in sessions if session.ratchet is not None), None)


_OPENING = """# How OTR works

A conversation, step by step, as it is on the wire in version 3. Alice is the reference engine, Bob the scenario
`walkthrough.how_otr_works`, which recomputes every value and checks each step; `otterproof check TARGET --only
walkthrough` holds the same conversation with any target. `otterproof docs` makes this page from a run of it.
"""


def page() -> str:
    """The page, from a run with the reference engine."""
    story = Story()
    tell(Context(EngineTarget("reference"), 3, b"walkthrough").target_session(), story)
    return f"{_OPENING}\n{story.page()}"


pages.register("walkthrough.md", page)
