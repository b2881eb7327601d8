"""The second half of the handshake: Reveal Signature and Signature Messages, as functions and in each state.
[Reveal Signature Message, Signature Message]
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness import wire
from harness.insider import HONEST, Insider, Signed, dsa_sign, fingerprint, mpi, power, public_key
from harness.keys import test_key
from harness.vectors.builder import FileBuilder, GroupBuilder, invalid, valid
from harness.vectors.kinds.derive import exponent
from harness.vectors.kinds.encodings import random
from harness.vectors.kinds.handshake import changed, cuts, ends, longer, versions_and_types
from harness.vectors.plays import Act, Plays, bound, nothing
from harness.vectors.scene import ALLOW, Scene
from harness.wire import Type, crypto
from harness.wire.fields import encode
from implementations.contract import DsaPublicKey
from vectors import Outcome

_KEY = test_key("mallory")


@dataclass(frozen=True, slots=True)
class Lie:
    """A block X that is wrong: how it is made, what it breaks, and readings in which it is another."""

    name: str
    comment: str
    signed: Signed
    shows: str
    flags: str
    reading: str = ""


def lies() -> Iterator[Lie]:
    """Every way in which a signature block can be wrong under a right MAC. Requirements are for X in both messages."""
    public = _KEY.public
    q, p, top = public.q, public.p, (1 << 160) - 1
    yield Lie("keyid-0", "key id 0", Signed(keyid=0), "SIG-3", "KeyId")
    yield Lie("swapped", "the two D-H keys change places in what is signed", Signed(swapped=True), "SIG-5", "Signed")
    yield Lie(
        "other-key",
        "another public key than the one that signs",
        Signed(shown=test_key("bob").public),
        "SIG-5",
        "Signed",
    )
    for name, pair in {
        "0-0": (0, 0),
        "r-0": (0, 1),
        "s-0": (1, 0),
        "1-1": (1, 1),
        "r-q": (q, 1),
        "s-q": (1, q),
        "top": (top, top),
    }.items():
        yield Lie(f"pair-{name}", "r or s out of range, or any", Signed(pair=pair), "KEYS-SIG-5", "DsaRange")
    for kind in (1, 0x0100, 0xFFFF):
        yield Lie(f"type-{kind:x}", f"a public key of type {kind:#06x}", Signed(kind=kind), "KEYS-PUBKEY-4", "KeyType")
    keys = {
        "y-0": replace(public, y=0),
        "y-1": replace(public, y=1),
        "y-p": replace(public, y=p),
        "g-0": replace(public, g=0),
        "g-1": replace(public, g=1),
        "g-p": replace(public, g=p),
        "q-159-bits": replace(public, q=q >> 1),
        "p-1023-bits": replace(public, p=p >> 1),
        "all-0": DsaPublicKey(0, 0, 0, 0),
    }
    for name, key in keys.items():
        yield Lie(
            f"key-{name}", "parameters out of their ranges", Signed(shown=key, pair=(1, 1)), "KEYS-PARAMS-1", "KeyRange"
        )
    block = public_key(public) + (1).to_bytes(4) + bytes(40)
    for size in (0, 1, 2, 5, 6, 10, len(block) - 45, len(block) - 44, len(block) - 41, len(block) - 40, len(block) - 1):
        yield Lie(
            f"block-{size}", f"X is cut short after {size} bytes", Signed(block=block[:size]), "SIG-9", "CutShort"
        )
    for more in (1, 4, 40):
        yield Lie(
            f"tail-{more}",
            f"{more} bytes follow the signature",
            Signed(tail=bytes(more)),
            "SIG-9",
            "TrailingBytes",
            "ARMOUR-TRAILING",
        )
    for said in (0x7FFFFFFF, 0xFFFFFFFF):
        yield Lie(
            f"length-{said:x}",
            f"p announces {said:#x} bytes",
            Signed(block=block[:2] + said.to_bytes(4) + block[6:]),
            "SIG-9",
            "HugeLength",
        )
    yield Lie("mac-0", "a MAC of zeros", Signed(mac=bytes(20)), "MAC-1", "Mac")


def _named(shows: str, prefix: str) -> str:
    """Requirements of X in full: SIG-n and MAC-n are those of the message itself."""
    return " ".join(f"{prefix}-{one}" if one.startswith(("SIG-", "MAC-")) else one for one in shows.split())


# ---- as functions ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Proof:
    """An encrypted signature and its MAC."""

    encrypted: bytes
    mac: bytes

    def fields(self) -> dict[str, Any]:
        return {"encrypted_signature": self.encrypted, "mac": self.mac}


class Prover:
    """Makes proofs of one side of a handshake. primed: for a Signature Message."""

    def __init__(self, number: int, primed: bool) -> None:
        ours, theirs = int.from_bytes(exponent(number)), int.from_bytes(exponent(number + 1))
        self.ours, self.theirs = power(2, ours), power(2, theirs)
        keys = crypto.handshake_keys(power(self.theirs, ours))
        self.c, self.m1, self.m2 = (
            (keys.c_primed, keys.m1_primed, keys.m2_primed) if primed else (keys.c, keys.m1, keys.m2)
        )
        self.others = (keys.c, keys.m1, keys.m2) if primed else (keys.c_primed, keys.m1_primed, keys.m2_primed)

    def group(self) -> dict[str, bytes | int]:
        return {"signer_public": self.ours, "other_public": self.theirs, "c": self.c, "m1": self.m1, "m2": self.m2}

    def value(self, identity: bytes, m1: bytes | None = None, publics: bytes | None = None) -> bytes:
        before = mpi(self.ours) + mpi(self.theirs) if publics is None else publics
        return hmac.digest(self.m1 if m1 is None else m1, before + identity, "sha256")

    def identity(self, name: str = "mallory", keyid: int = 1) -> bytes:
        return public_key(test_key(name).public) + keyid.to_bytes(4)

    def seal(self, block: bytes, *, c: bytes | None = None, m2: bytes | None = None, mac: bytes | None = None) -> Proof:
        encrypted = crypto.aes_ctr(self.c if c is None else c, bytes(8), block)
        right = hmac.digest(self.m2 if m2 is None else m2, encode(Type.DATA, encrypted, "X"), "sha256")[:20]
        return Proof(encrypted, right if mac is None else mac)

    def block(self, identity: bytes, value: bytes, name: str = "mallory", nonce: int = 0x5EED) -> bytes:
        r, s = dsa_sign(test_key(name), value, nonce)
        return identity + r.to_bytes(20) + s.to_bytes(20)

    def honest(self, name: str = "mallory", keyid: int = 1, nonce: int = 0x5EED) -> bytes:
        identity = self.identity(name, keyid)
        return self.block(identity, self.value(identity), name, nonce)


def _functions(group: GroupBuilder, prover: Prover, prefix: str) -> None:
    """Proofs under given keys, right and wrong."""
    verified = "AKE-VERIFY-2 AKE-VERIFY-3" if prefix == "REVEAL" else "AKE-VERIFY-4 AKE-VERIFY-5"
    shows = f"{_named('SIG-2 SIG-5 SIG-6 SIG-7 SIG-8 MAC-1 MAC-2', prefix)} {verified} DERIVE-AKE-8"

    def good(name: str, comment: str, block: bytes, more: str = "", flags: str = "") -> None:
        group.case(name, comment, f"{shows} {more}".strip(), flags=flags, **prover.seal(block).fields())

    def bad(
        name: str,
        comment: str,
        proof: Proof,
        requirements: str,
        flags: str,
        ours: str = "",
        others: Mapping[str, Outcome] | None = None,
    ) -> None:
        group.case(
            name,
            comment,
            _named(requirements, prefix),
            reaction="refused",
            flags=flags,
            ours=ours,
            others=others,
            **proof.fields(),
        )

    for name in ("alice", "bob", "carol", "mallory"):
        good(f"key-{name}", f"by the test key of {name}", prover.honest(name))
    for keyid in (1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        good(f"keyid-{keyid:x}", f"key id {keyid:#x}", prover.honest(keyid=keyid), _named("SIG-4", prefix), "KeyId")
    bad("keyid-0", "key id 0", prover.seal(prover.honest(keyid=0)), "SIG-3", "KeyId")
    identity = prover.identity()
    swapped = mpi(prover.theirs) + mpi(prover.ours)
    values = {
        "swapped": (prover.value(identity, publics=swapped), "the two D-H keys change places"),
        "ours-twice": (prover.value(identity, publics=mpi(prover.ours) * 2), "one D-H key twice"),
        "no-lengths": (
            prover.value(identity, publics=mpi(prover.ours)[4:] + mpi(prover.theirs)[4:]),
            "the D-H keys without their lengths",
        ),
        "no-publics": (prover.value(identity, publics=b""), "the D-H keys left out"),
        "no-keyid": (prover.value(identity[:-4]), "the key id left out"),
        "other-keyid": (prover.value(prover.identity(keyid=2)), "another key id"),
        "no-type": (prover.value(identity[2:]), "the key without its type"),
        "m2": (prover.value(identity, prover.m2), "m2 in the place of m1"),
        "other-m1": (prover.value(identity, prover.others[1]), "the MAC key of the other message"),
        "sha1": (prover.value(identity)[:20], "the value cut to 20 bytes"),
    }
    for name, (value, comment) in values.items():
        bad(
            f"signs-{name}",
            f"what is signed: {comment}",
            prover.seal(prover.block(identity, value)),
            "SIG-5 SIG-7",
            "Signed",
        )
    bad(
        "other-signer",
        "signed by another key than the one shown",
        prover.seal(prover.block(identity, prover.value(identity), "bob")),
        "SIG-6",
        "Signed",
    )
    whole = prover.honest()
    for at in (0, 3, 80, 400, len(whole) - 42, len(whole) - 40, len(whole) - 1):
        flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        bad(f"bit-at-{at}", f"a bit of X at {at} inverted, under a right MAC", prover.seal(flipped), "SIG-6", "Signed")
    for size in (0, 1, 2, 6, len(whole) - 44, len(whole) - 40, len(whole) - 20, len(whole) - 1):
        bad(f"cut-{size}", f"X cut short after {size} bytes", prover.seal(whole[:size]), "SIG-9", "CutShort")
    accepted = {"fingerprint": _fingerprint(), "keyid": 1}
    for more in (1, 40):
        bad(
            f"more-{more}",
            f"{more} bytes after the signature",
            prover.seal(whole + bytes(more)),
            "SIG-9",
            "TrailingBytes",
            "ARMOUR-TRAILING:reject",
            {"ARMOUR-TRAILING:accept": valid(**accepted)},
        )
    right = prover.seal(whole)
    macs = {
        "zeros": (bytes(20), "zeros"),
        "first-bit": (bytes([right.mac[0] ^ 0x80]) + right.mac[1:], "the first bit inverted"),
        "last-bit": (right.mac[:-1] + bytes([right.mac[-1] ^ 1]), "the last bit inverted"),
        "short": (right.mac[:19], "19 bytes"),
        "empty": (b"", "no bytes"),
        "other-m2": (prover.seal(whole, m2=prover.others[2]).mac, "made with the MAC key of the other message"),
        "m1": (prover.seal(whole, m2=prover.m1).mac, "made with m1"),
        "no-length": (hmac.digest(prover.m2, right.encrypted, "sha256")[:20], "made without the length of the field"),
        "sha1": (hmac.digest(prover.m2, encode(Type.DATA, right.encrypted, "X"), "sha1"), "a SHA1-HMAC"),
        "trailing": (
            hmac.digest(prover.m2, encode(Type.DATA, right.encrypted, "X"), "sha256")[12:],
            "the last 20 bytes of the HMAC",
        ),
        "of-plain": (
            hmac.digest(prover.m2, encode(Type.DATA, whole, "X"), "sha256")[:20],
            "over what was not encrypted yet",
        ),
    }
    for name, (mac, comment) in macs.items():
        bad(f"mac-{name}", f"the MAC: {comment}", prover.seal(whole, mac=mac), "MAC-1 MAC-2", "Mac")
    bad(
        "other-c",
        "encrypted with the AES key of the other message",
        prover.seal(whole, c=prover.others[0]),
        "SIG-8",
        "Signed",
    )
    bad(
        "other-message",
        "the whole proof made with the keys of the other message",
        prover.seal(
            prover.block(identity, prover.value(identity, prover.others[1])), c=prover.others[0], m2=prover.others[2]
        ),
        "SIG-8 MAC-1",
        "Signed",
    )


def _fingerprint() -> bytes:
    return fingerprint(_KEY.public)


# ---- messages ------------------------------------------------------------------------------------------


def _reveal(scene: Scene) -> bytes:
    return scene.insider.reveal_signature(scene.memory["dh_key"])


def _signature(scene: Scene) -> bytes:
    return scene.signature()


def reveal_signature(file: FileBuilder) -> None:
    """Reveal Signatures for a client in AWAITING_REVEALSIG, and in the other states."""
    _functions(
        file.group(
            "open", "Encrypted signatures of Reveal Signature Messages.", "open_signature", **Prover(40, False).group()
        ),
        Prover(40, False),
        "REVEAL",
    )
    for version in (2, 3):
        group = file.plays(
            f"v{version}",
            "Reveal Signatures received in AWAITING_REVEALSIG.",
            lambda scene: scene.commit(),
            version=version,
            sequel=lambda scene: scene.give(_reveal(scene)),
        )
        _reveals(group, version)
        _blocks(
            group,
            "REVEAL",
            lambda scene, signed: scene.insider.reveal_signature(scene.memory["dh_key"], signed),
            "signature",
        )
        _wrong_states(file, version, "Reveal Signatures", "REVEAL", _some_reveal)
    _kept(file)


def _reveals(group: Plays, version: int) -> None:
    form = "REVEAL-FORM-1" if version == 2 else "REVEAL-FORM-2 REVEAL-FORM-4 REVEAL-FORM-5 INSTANCE-REPLY-2"
    answer = "SIG-FORM-1" if version == 2 else "SIG-FORM-2 SIG-FORM-4 SIG-FORM-5"
    shows = f"{form} REVEAL-FORM-3 REVEAL-FORM-6 REVEAL-FORM-8 {answer} SIG-FORM-3 SIG-FORM-6 REVEAL-ACCEPT-1 "
    shows += "REVEAL-ACCEPT-2 REVEAL-ACCEPT-3 REVEAL-ACCEPT-4 STATE-AUTH-6 STATE-ENCRYPTED-2 AKE-OUTLINE-1 "
    shows += "AKE-HIDE-1 KEYMGMT-START-1 KEYMGMT-AKE-1 KEYS-PUBKEY-1 DERIVE-SSID-2 AKE-VERIFY-6 STATE-AUTH-7"
    group.play("good", "answered with a Signature Message; ENCRYPTED", shows, lambda scene: scene.give(_reveal(scene)))
    for keyid in (2, 0x80000000, 0xFFFFFFFF):
        group.play(
            f"keyid-{keyid:x}",
            f"key id {keyid:#x}",
            "REVEAL-SIG-4 REVEAL-SIG-2",
            bound(
                keyid,
                lambda scene, keyid: scene.give(
                    scene.insider.reveal_signature(scene.memory["dh_key"], Signed(keyid=keyid))
                ),
            ),
            flags="KeyId",
        )
    refused = "REVEAL-REJECT-1 REVEAL-IGNORED-1 AKE-VERIFY-6"
    for size in (0, 1, 15, 17, 32):
        group.play(
            f"key-size-{size}",
            f"a revealed key of {size} bytes",
            f"REVEAL-FORM-7 {refused}",
            bound(
                size,
                lambda scene, size: scene.give(
                    scene.insider.reveal_signature(scene.memory["dh_key"], revealed=bytes(size))
                ),
            ),
            reaction="ignored",
            flags="FieldSize",
        )
    for name, key in {"zeros": bytes(16), "other": random("other r", 16)}.items():
        group.play(
            f"key-{name}",
            "another key is revealed: the hash does not fit",
            f"AKE-VERIFY-1 {refused}",
            bound(
                key, lambda scene, key: scene.give(scene.insider.reveal_signature(scene.memory["dh_key"], revealed=key))
            ),
            reaction="ignored",
            flags="Commitment",
            ours="AKE-FAIL-STATE:keep",
            others={"AKE-FAIL-STATE:none": invalid("ignored", sends=(), shows=(), unchanged=False)},
        )
    liar = Insider(_KEY, 0x1A1A, version=version, seed=b"example")
    example = liar.reveal_signature(liar.dh_key())
    cuts(group, _reveal, ends(example, 20), refused)
    longer(group, _reveal, refused, ("signature",))
    versions_and_types(group, _reveal, version)


def _blocks(group: Plays, prefix: str, make: Callable[[Scene, Signed], bytes], answer: str) -> None:
    """Signature blocks that are wrong, under right MACs."""
    refused = "REVEAL-REJECT-1 REVEAL-IGNORED-1" if prefix == "REVEAL" else "SIG-REJECT-1"
    for lie in lies():
        others = {"ARMOUR-TRAILING:accept": valid(sends=(answer,) if answer else (), shows=())} if lie.reading else {}
        group.play(
            lie.name,
            lie.comment,
            f"{_named(lie.shows, prefix)} {refused} AKE-VERIFY-6",
            bound(lie.signed, lambda scene, signed: scene.give(make(scene, signed))),
            reaction="ignored",
            flags=lie.flags,
            ours=f"{lie.reading}:reject" if lie.reading else "",
            others=others,
        )
    for field in ("encrypted_signature", "mac"):
        for at in (0, -1):
            group.play(
                f"bit-{field}-{'last' if at else 'first'}",
                f"a bit of {field} inverted",
                f"{_named('MAC-1', prefix)} {refused}",
                bound(
                    (field, at),
                    lambda scene, where: scene.give(
                        changed(
                            make(scene, HONEST),
                            lambda one: one.with_value(where[0], _flipped(one.data(where[0]), where[1])),
                        )
                    ),
                ),
                reaction="ignored",
                flags="Mac",
            )


def _flipped(data: bytes, at: int) -> bytes:
    changed_bytes = bytearray(data)
    changed_bytes[at] ^= 1
    return bytes(changed_bytes)


def _some_reveal(scene: Scene) -> bytes:
    """A Reveal Signature that nobody waits for."""
    key = scene.insider.dh_key()
    return scene.insider.reveal_signature(key)


def _some_signature(scene: Scene) -> bytes:
    return scene.insider.signature(power(2, 12345))


def _wrong_states(file: FileBuilder, version: int, words: str, prefix: str, make: Callable[[Scene], bytes]) -> None:
    """The message where it is not waited for, or not allowed."""
    own = "REVEAL" if prefix == "REVEAL" else "SIG"
    reaches: Mapping[str, tuple[str, str, Act]] = {
        "none": ("NONE", f"{own}-NONE-1", nothing),
        "awaiting-dhkey": ("AWAITING_DHKEY", f"{own}-DHKEY-1", lambda scene: scene.query()),
        "encrypted": ("ENCRYPTED, no handshake under way", f"{own}-NONE-1", lambda scene: scene.begin()),
    }
    other: tuple[str, str, Act] = (
        ("AWAITING_SIG", "REVEAL-AWAITSIG-1", lambda scene: scene.reveal())
        if prefix == "REVEAL"
        else ("AWAITING_REVEALSIG", "SIG-REVEALSIG-1", lambda scene: scene.commit())
    )
    for name, (state, shows, reach) in {**reaches, "awaiting-other": other}.items():
        group = file.plays(f"v{version}-{name}", f"{words} received in {state}.", reach, version=version)
        group.play(
            "any",
            "it is not waited for",
            shows,
            lambda scene: scene.give(make(scene)),
            reaction="ignored",
            flags="State",
        )

    def forbid(scene: Scene) -> None:
        scene.commit() if prefix == "REVEAL" else scene.reveal()
        scene.do("set_policy", policy=ALLOW[5 - version])

    group = file.plays(
        f"v{version}-not-allowed", f"Version {version} is not allowed any more.", forbid, version=version
    )
    genuine = _reveal if prefix == "REVEAL" else _signature
    answer = ("signature",) if prefix == "REVEAL" else ()
    # The version 2 flag decides in one reading; here it is the other way round, so that a version 3 message passes.
    reading = version == 3
    group.play(
        "good",
        "the policy forbids its version",
        f"{own}-POLICY-{version - 1}",
        lambda scene: scene.give(genuine(scene)),
        reaction="ignored",
        flags="Policy",
        ours="POLICY-AKE-FLAG:own" if reading else "",
        others={"POLICY-AKE-FLAG:v2": valid(sends=answer, shows=())} if reading else {},
    )


def _kept(file: FileBuilder) -> None:
    """A second handshake over an encrypted session."""
    for version in (2, 3):
        group = file.plays(
            f"v{version}-again",
            "A second handshake in ENCRYPTED, waiting for the Reveal Signature.",
            lambda scene: (scene.begin(), scene.commit()),
            version=version,
        )
        group.play(
            "good",
            "a new session replaces the old one",
            "STATE-ENCRYPTED-4 KEYMGMT-AKE-2",
            lambda scene: scene.give(_reveal(scene)),
        )
        group.play(
            "wrong",
            "it fails, and the session stays",
            "STATE-ENCRYPTED-4 REVEAL-REJECT-1",
            lambda scene: scene.give(scene.insider.reveal_signature(scene.memory["dh_key"], Signed(pair=(1, 1)))),
            reaction="ignored",
            flags="DsaRange",
        )

        def fresh(scene: Scene) -> None:
            scene.begin()
            scene.insider.x = int.from_bytes(exponent(91))
            scene.commit()

        other = file.plays(
            f"v{version}-again-fresh", "A second handshake with another D-H key.", fresh, version=version
        )
        other.play(
            "good",
            "the old keys of the correspondent are forgotten",
            "KEYMGMT-AKE-3 KEYMGMT-AKE-4 STATE-ENCRYPTED-4",
            lambda scene: scene.give(_reveal(scene)),
        )
        finished = file.plays(
            f"v{version}-finished",
            "A handshake in FINISHED.",
            lambda scene: (scene.begin(), scene.hear(b"", tlvs=[wire.layers.tlv(1)]), scene.commit()),
            version=version,
        )
        finished.play("good", "leads to ENCRYPTED", "STATE-FINISHED-3", lambda scene: scene.give(_reveal(scene)))


def signature(file: FileBuilder) -> None:
    """Signature Messages for a client in AWAITING_SIG, and in the other states."""
    _functions(
        file.group("open", "Encrypted signatures of Signature Messages.", "open_signature", **Prover(42, True).group()),
        Prover(42, True),
        "SIG",
    )
    for version in (2, 3):
        group = file.plays(
            f"v{version}",
            "Signature Messages received in AWAITING_SIG.",
            lambda scene: scene.reveal(),
            version=version,
            sequel=lambda scene: scene.give(_signature(scene)),
        )
        form = "SIG-FORM-1" if version == 2 else "SIG-FORM-2 SIG-FORM-4 SIG-FORM-5"
        shows = f"{form} SIG-FORM-3 SIG-FORM-6 SIG-ACCEPT-1 SIG-ACCEPT-2 SIG-ACCEPT-3 STATE-AUTH-6 STATE-ENCRYPTED-2 "
        shows += "DERIVE-SSID-2 AKE-OUTLINE-1 AKE-OUTLINE-2 AKE-HIDE-1 KEYMGMT-START-1"
        group.play("good", "ENCRYPTED", shows, lambda scene: scene.give(_signature(scene)))
        for keyid in (2, 0x80000000, 0xFFFFFFFF):
            group.play(
                f"keyid-{keyid:x}",
                f"key id {keyid:#x}",
                "SIG-SIG-4 SIG-SIG-2",
                bound(keyid, lambda scene, keyid: scene.give(scene.signature(Signed(keyid=keyid)))),
                flags="KeyId",
            )
        _blocks(group, "SIG", lambda scene, signed: scene.signature(signed), "")
        example = Insider(_KEY, 0x1A1A, version=version, seed=b"example").signature(power(2, 12345))
        cuts(group, _signature, ends(example, 20), "SIG-REJECT-1")
        longer(group, _signature, "SIG-REJECT-1", ())
        versions_and_types(group, _signature, version)
        _replays(group)
        _wrong_states(file, version, "Signature Messages", "SIG", _some_signature)


def _replays(group: Plays) -> None:
    """Proofs of other messages and other handshakes."""

    def of_another(scene: Scene) -> None:
        scene.insider.x = int.from_bytes(exponent(92))
        scene.give(scene.signature())

    group.play(
        "other-handshake",
        "a Signature Message of another handshake",
        "SIG-REPLAY-1 SIG-REJECT-1",
        of_another,
        reaction="ignored",
        flags="Signed",
    )

    def of_reveal(scene: Scene) -> None:
        message = wire.parse(scene.signature())
        proof = wire.parse(scene.memory["reveal"])
        taken = message.with_value("encrypted_signature", proof.data("encrypted_signature"))
        scene.give(wire.build(taken.with_value("mac", proof.data("mac"))))

    group.play(
        "of-reveal",
        "the encrypted signature of our own Reveal Signature",
        "SIG-REPLAY-2 AKE-REFLECT-1",
        of_reveal,
        reaction="ignored",
        flags="Signed",
    )

    def reflected(scene: Scene) -> None:
        scene.give(scene.memory["reveal"])

    group.play(
        "reflected",
        "our own Reveal Signature comes back",
        "AKE-REFLECT-1",
        reflected,
        reaction="ignored",
        flags="Signed",
    )
