"""The second half of the handshake: Reveal Signature and Signature Messages in each state.
[Reveal Signature Message, Signature Message]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from otterproof.harness import wire
from otterproof.harness.testkit.insider import HONEST_SIGNATURE, Insider, SignatureOptions
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.vectorgen.builder import FileBuilder, invalid, valid
from otterproof.harness.vectorgen.client_session import ALLOW, ClientSession
from otterproof.harness.vectorgen.kinds.derive import exponent
from otterproof.harness.vectorgen.kinds.encodings import random
from otterproof.harness.vectorgen.kinds.mutations import changed, cuts, ends, longer, versions_and_types
from otterproof.harness.vectorgen.kinds.proofs import KEY, Prover, functions, named
from otterproof.harness.vectorgen.play_builder import Act, Plays, bound, nothing
from otterproof.harness.wire import Kind
from otterproof.harness.wire.numbers import power, public_key
from otterproof.implementations.contract import DsaPublicKey


@dataclass(frozen=True, slots=True)
class Lie:
    """A wrong block X: how it is made, what it breaks, and the reading in which its result differs."""

    name: str
    comment: str
    signed: SignatureOptions
    shows: str
    flags: str
    reading: str = ""


def lies() -> Iterator[Lie]:
    """Every way in which a signature block can be wrong under a correct MAC. Requirements fit X in both messages."""
    public = KEY.public
    q, p, top = public.q, public.p, (1 << 160) - 1
    yield Lie("keyid-0", "key id 0", SignatureOptions(keyid=0), "SIG-3", "KeyId")
    yield Lie(
        "swapped",
        "the two D-H keys change places in what is signed",
        SignatureOptions(swap_dh=True),
        "SIG-5",
        "Signed",
    )
    yield Lie(
        "other-key",
        "another public key than the one that signs",
        SignatureOptions(advertised_key=published_key("bob").public),
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
        yield Lie(
            f"pair-{name}", "r or s out of range, or any", SignatureOptions(signature=pair), "KEYS-SIG-5", "DsaRange"
        )
    for kind in (1, 0x0100, 0xFFFF):
        yield Lie(
            f"type-{kind:x}",
            f"a public key of type {kind:#06x}",
            SignatureOptions(kind=kind),
            "KEYS-PUBKEY-4",
            "KeyType",
        )
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
            f"key-{name}",
            "parameters out of their ranges",
            SignatureOptions(advertised_key=key, signature=(1, 1)),
            "KEYS-PARAMS-1",
            "KeyRange",
        )
    block = public_key(public) + (1).to_bytes(4) + bytes(40)
    for size in (0, 1, 2, 5, 6, 10, len(block) - 45, len(block) - 44, len(block) - 41, len(block) - 40, len(block) - 1):
        yield Lie(
            f"block-{size}",
            f"X is cut short after {size} bytes",
            SignatureOptions(block=block[:size]),
            "SIG-9",
            "CutShort",
        )
    for more in (1, 4, 40):
        yield Lie(
            f"tail-{more}",
            f"{more} bytes follow the signature",
            SignatureOptions(trailing=bytes(more)),
            "SIG-9",
            "TrailingBytes",
            "ARMOUR-TRAILING",
        )
    for said in (0x7FFFFFFF, 0xFFFFFFFF):
        yield Lie(
            f"length-{said:x}",
            f"p announces {said:#x} bytes",
            SignatureOptions(block=block[:2] + said.to_bytes(4) + block[6:]),
            "SIG-9",
            "HugeLength",
        )
    yield Lie("mac-0", "a MAC of zeros", SignatureOptions(mac=bytes(20)), "MAC-1", "Mac")


def _reveal(session: ClientSession) -> bytes:
    return session.handshake.reveal_signature()


def _signature(session: ClientSession) -> bytes:
    return session.signature()


def reveal_signature(file: FileBuilder) -> None:
    """Reveal Signatures for a client in AWAITING_REVEALSIG and in the other states."""
    functions(
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
            lambda session: session.commit(),
            version=version,
            sequel=lambda session: session.give(_reveal(session)),
        )
        _reveals(group, version)
        _blocks(
            group,
            "REVEAL",
            lambda session, signed: session.handshake.reveal_signature(signed),
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
    group.play(
        "good", "answered with a Signature Message; ENCRYPTED", shows, lambda session: session.give(_reveal(session))
    )
    for keyid in (2, 0x80000000, 0xFFFFFFFF):
        group.play(
            f"keyid-{keyid:x}",
            f"key id {keyid:#x}",
            "REVEAL-SIG-4 REVEAL-SIG-2",
            bound(
                keyid,
                lambda session, keyid: session.give(session.handshake.reveal_signature(SignatureOptions(keyid=keyid))),
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
                lambda session, size: session.give(
                    session.insider.reveal_signature(session.memory[Kind.DH_KEY], revealed=bytes(size))
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
                key,
                lambda session, key: session.give(
                    session.insider.reveal_signature(session.memory[Kind.DH_KEY], revealed=key)
                ),
            ),
            reaction="ignored",
            flags="Commitment",
            ours="AKE-FAIL-STATE:keep",
            others={"AKE-FAIL-STATE:none": invalid("ignored", sends=(), shows=(), unchanged=False)},
        )
    smp_peer = Insider(KEY, 0x1A1A, version=version, seed=b"example")
    example = smp_peer.reveal_signature(smp_peer.dh_key())
    cuts(group, _reveal, ends(example, 20), refused)
    longer(group, _reveal, refused, ("signature",))
    versions_and_types(group, _reveal, version)


def _blocks(group: Plays, prefix: str, make: Callable[[ClientSession, SignatureOptions], bytes], answer: str) -> None:
    """Wrong signature blocks under correct MACs."""
    refused = "REVEAL-REJECT-1 REVEAL-IGNORED-1" if prefix == "REVEAL" else "SIG-REJECT-1"
    for lie in lies():
        others = {"ARMOUR-TRAILING:accept": valid(sends=(answer,) if answer else (), shows=())} if lie.reading else {}
        group.play(
            lie.name,
            lie.comment,
            f"{named(lie.shows, prefix)} {refused} AKE-VERIFY-6",
            bound(lie.signed, lambda session, signed: session.give(make(session, signed))),
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
                f"{named('MAC-1', prefix)} {refused}",
                bound(
                    (field, at),
                    lambda session, where: session.give(
                        changed(
                            make(session, HONEST_SIGNATURE),
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


def _some_reveal(session: ClientSession) -> bytes:
    """A Reveal Signature that the client is not waiting for."""
    key = session.insider.dh_key()
    return session.insider.reveal_signature(key)


def _some_signature(session: ClientSession) -> bytes:
    return session.insider.signature(power(2, 12345))


def _wrong_states(
    file: FileBuilder, version: int, words: str, prefix: str, make: Callable[[ClientSession], bytes]
) -> None:
    """The message in states that do not expect it, or when the policy forbids it."""
    own = "REVEAL" if prefix == "REVEAL" else "SIG"
    reaches: Mapping[str, tuple[str, str, Act]] = {
        "none": ("NONE", f"{own}-NONE-1", nothing),
        "awaiting-dhkey": ("AWAITING_DHKEY", f"{own}-DHKEY-1", lambda session: session.query()),
        "encrypted": ("ENCRYPTED, no handshake under way", f"{own}-NONE-1", lambda session: session.begin()),
    }
    other: tuple[str, str, Act] = (
        ("AWAITING_SIG", "REVEAL-AWAITSIG-1", lambda session: session.reveal())
        if prefix == "REVEAL"
        else ("AWAITING_REVEALSIG", "SIG-REVEALSIG-1", lambda session: session.commit())
    )
    for name, (state, shows, reach) in {**reaches, "awaiting-other": other}.items():
        group = file.plays(f"v{version}-{name}", f"{words} received in {state}.", reach, version=version)
        group.play(
            "any",
            "it is not waited for",
            shows,
            lambda session: session.give(make(session)),
            reaction="ignored",
            flags="State",
        )

    def forbid(session: ClientSession) -> None:
        session.commit() if prefix == "REVEAL" else session.reveal()
        session.do("set_policy", policy=ALLOW[5 - version])

    group = file.plays(
        f"v{version}-not-allowed", f"Version {version} is not allowed any more.", forbid, version=version
    )
    genuine = _reveal if prefix == "REVEAL" else _signature
    answer = ("signature",) if prefix == "REVEAL" else ()
    # In one reading the version 2 flag decides. Here the policy allows only the other version, so a version 3 message
    # passes.
    reading = version == 3
    group.play(
        "good",
        "the policy forbids its version",
        f"{own}-POLICY-{version - 1}",
        lambda session: session.give(genuine(session)),
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
            lambda session: (session.begin(), session.commit()),
            version=version,
        )
        group.play(
            "good",
            "a new session replaces the old one",
            "STATE-ENCRYPTED-4 KEYMGMT-AKE-2",
            lambda session: session.give(_reveal(session)),
        )
        group.play(
            "wrong",
            "it fails, and the session stays",
            "STATE-ENCRYPTED-4 REVEAL-REJECT-1",
            lambda session: session.give(session.handshake.reveal_signature(SignatureOptions(signature=(1, 1)))),
            reaction="ignored",
            flags="DsaRange",
        )

        def fresh(session: ClientSession) -> None:
            session.begin()
            session.insider.x = int.from_bytes(exponent(91))
            session.commit()

        other = file.plays(
            f"v{version}-again-fresh", "A second handshake with another D-H key.", fresh, version=version
        )
        other.play(
            "good",
            "the old keys of the correspondent are forgotten",
            "KEYMGMT-AKE-3 KEYMGMT-AKE-4 STATE-ENCRYPTED-4",
            lambda session: session.give(_reveal(session)),
        )
        finished = file.plays(
            f"v{version}-finished",
            "A handshake in FINISHED.",
            lambda session: (session.begin(), session.hear(b"", tlvs=[wire.layers.tlv(1)]), session.commit()),
            version=version,
        )
        finished.play("good", "leads to ENCRYPTED", "STATE-FINISHED-3", lambda session: session.give(_reveal(session)))


def signature(file: FileBuilder) -> None:
    """Signature Messages for a client in AWAITING_SIG and in the other states."""
    functions(
        file.group("open", "Encrypted signatures of Signature Messages.", "open_signature", **Prover(42, True).group()),
        Prover(42, True),
        "SIG",
    )
    for version in (2, 3):
        group = file.plays(
            f"v{version}",
            "Signature Messages received in AWAITING_SIG.",
            lambda session: session.reveal(),
            version=version,
            sequel=lambda session: session.give(_signature(session)),
        )
        form = "SIG-FORM-1" if version == 2 else "SIG-FORM-2 SIG-FORM-4 SIG-FORM-5"
        shows = f"{form} SIG-FORM-3 SIG-FORM-6 SIG-ACCEPT-1 SIG-ACCEPT-2 SIG-ACCEPT-3 STATE-AUTH-6 STATE-ENCRYPTED-2 "
        shows += "DERIVE-SSID-2 AKE-OUTLINE-1 AKE-OUTLINE-2 AKE-HIDE-1 KEYMGMT-START-1"
        group.play("good", "ENCRYPTED", shows, lambda session: session.give(_signature(session)))
        for keyid in (2, 0x80000000, 0xFFFFFFFF):
            group.play(
                f"keyid-{keyid:x}",
                f"key id {keyid:#x}",
                "SIG-SIG-4 SIG-SIG-2",
                bound(keyid, lambda session, keyid: session.give(session.signature(SignatureOptions(keyid=keyid)))),
                flags="KeyId",
            )
        _blocks(group, "SIG", lambda session, signed: session.signature(signed), "")
        example = Insider(KEY, 0x1A1A, version=version, seed=b"example").signature(power(2, 12345))
        cuts(group, _signature, ends(example, 20), "SIG-REJECT-1")
        longer(group, _signature, "SIG-REJECT-1", ())
        versions_and_types(group, _signature, version)
        _replays(group)
        _wrong_states(file, version, "Signature Messages", "SIG", _some_signature)


def _replays(group: Plays) -> None:
    """Proofs taken from other messages and other handshakes."""

    def of_another(session: ClientSession) -> None:
        session.insider.x = int.from_bytes(exponent(92))
        session.give(session.signature())

    group.play(
        "other-handshake",
        "a Signature Message of another handshake",
        "SIG-REPLAY-1 SIG-REJECT-1",
        of_another,
        reaction="ignored",
        flags="Signed",
    )

    def of_reveal(session: ClientSession) -> None:
        message = wire.parse(session.signature())
        proof = wire.parse(session.memory[Kind.REVEAL_SIGNATURE])
        taken = message.with_value("encrypted_signature", proof.data("encrypted_signature"))
        session.give(wire.build(taken.with_value("mac", proof.data("mac"))))

    group.play(
        "of-reveal",
        "the encrypted signature of our own Reveal Signature",
        "SIG-REPLAY-2 AKE-REFLECT-1",
        of_reveal,
        reaction="ignored",
        flags="Signed",
    )

    def reflected(session: ClientSession) -> None:
        session.give(session.memory[Kind.REVEAL_SIGNATURE])

    group.play(
        "reflected",
        "our own Reveal Signature comes back",
        "AKE-REFLECT-1",
        reflected,
        reaction="ignored",
        flags="Signed",
    )
