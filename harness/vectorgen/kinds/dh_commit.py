"""D-H Commit Messages: as functions, and in each state. [D-H Commit Message, Receiving a D-H Commit Message]"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from otterproof.harness import wire
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.vectorgen.builder import FileBuilder, GroupBuilder, invalid, valid
from otterproof.harness.vectorgen.client_session import ALLOW, ClientSession
from otterproof.harness.vectorgen.kinds.derive import LIMITS, OUTSIDE, PUBLIC_ZEROS, PUBLIC_ZEROS_2, exponent
from otterproof.harness.vectorgen.kinds.encodings import random
from otterproof.harness.vectorgen.kinds.mutations import changed, cuts, ends, longer, versions_and_types
from otterproof.harness.vectorgen.play_builder import Act, bound, bound2
from otterproof.harness.wire import Kind, crypto
from otterproof.harness.wire.numbers import mpi, power


def _commit(session: ClientSession) -> bytes:
    return session.insider.commit()


def dh_commit(file: FileBuilder) -> None:
    """Commitments as functions of their fields; commits in each state; messages that are not commits."""
    _open(file.group("open", "Commitments, opened with the revealed key.", "open_commitment"))
    for version in (2, 3):
        _commits(file, version)
        _commit_states(file, version)
    _collisions(file)
    for version in (2, 3):
        other = ALLOW[5 - version]
        group = file.plays(
            f"v{version}-not-allowed", f"Version {version} is not allowed.", version=version, policy=other
        )
        shows = "COMMIT-POLICY-1 POLICY-V2-1" if version == 2 else "COMMIT-POLICY-2 POLICY-V3-1"
        group.play(
            "commit",
            "the policy forbids its version",
            shows,
            lambda session: session.give(_commit(session)),
            reaction="ignored",
            flags="Policy",
        )


def _open(group: GroupBuilder) -> None:
    shows = "COMMIT-GX-1 COMMIT-GX-3 COMMIT-GX-4 COMMIT-GX-5 COMMIT-HASH-1 REVEAL-ACCEPT-1 AKE-VERIFY-1"
    r = random("commit r", 16)

    def case(
        name: str,
        comment: str,
        content: bytes,
        requirements: str,
        *,
        key: bytes = r,
        hashed: bytes | None = None,
        reaction: str = "",
        flags: str = "",
        revealed: bytes | None = None,
    ) -> None:
        group.case(
            name,
            comment,
            requirements,
            reaction=reaction,
            flags=flags,
            revealed_key=key if revealed is None else revealed,
            encrypted_gx=crypto.aes_ctr(key, bytes(8), content),
            hashed_gx=hashlib.sha256(content).digest() if hashed is None else hashed,
        )

    for number in range(4):
        case(
            f"random-{number}",
            "random numbers",
            mpi(power(2, int.from_bytes(exponent(number)))),
            shows,
            key=random(f"r {number}", 16),
        )
    for name, key in {"zeros": bytes(16), "zero-first": b"\0" * 4 + r[4:], "ones": b"\xff" * 16}.items():
        case(
            f"key-{name}",
            "all 16 bytes of the key count",
            mpi(power(2, 3)),
            f"{shows} REVEAL-FORM-6",
            key=key,
            flags="Boundary",
        )
    for number in (*PUBLIC_ZEROS, *PUBLIC_ZEROS_2):
        case(
            f"public-zeros-{number}",
            "g^x begins with zero bytes: its MPI is shorter",
            mpi(power(2, int.from_bytes(exponent(number)))),
            f"{shows} COMMIT-GX-6",
            flags="SecretZeros",
        )
    for name, value in LIMITS.items():
        case(f"limit-{name}", f"g^x is {name}", mpi(value), f"{shows} AKE-VALID-3", flags="GroupElement")
    for name, value in OUTSIDE.items():
        case(
            f"outside-{name}",
            f"g^x is {name}",
            mpi(value),
            "AKE-VALID-2 AKE-VALID-4",
            reaction="refused",
            flags="GroupElement",
        )
    good = mpi(power(2, int.from_bytes(exponent(0))))
    contents = {
        "more": (good + b"\0", "a byte follows the MPI"),
        "before": (b"\0" + good, "a byte precedes the MPI"),
        "no-length": (good[4:], "the number without its length"),
        "cut": (good[:-1], "the last byte is missing"),
        "length-only": (good[:4], "the length alone"),
        "empty": (b"", "nothing"),
        "two": (good + good, "two MPIs"),
    }
    for name, (content, comment) in contents.items():
        case(
            f"content-{name}",
            comment,
            content,
            "REVEAL-SIG-10",
            reaction="refused",
            flags="TrailingBytes" if len(content) > len(good) else "CutShort",
        )
    number = int.from_bytes(good[4:])
    padded = (len(good) - 3).to_bytes(4) + b"\0" + good[4:]
    group.case(
        "zeros-before",
        "a leading zero byte in the MPI",
        "TYPES-MPI-2 TYPES-MPI-5",
        reaction="refused",
        flags="LeadingZeros",
        ours="TYPES-MPI-ZEROS:reject",
        others={"TYPES-MPI-ZEROS:normalise": valid(gx=number), "TYPES-MPI-ZEROS:raw": valid(gx=number)},
        revealed_key=r,
        encrypted_gx=crypto.aes_ctr(r, bytes(8), padded),
        hashed_gx=hashlib.sha256(padded).digest(),
    )
    digest = hashlib.sha256(good).digest()
    hashes = {
        "bit": bytes([digest[0] ^ 1]) + digest[1:],
        "last-bit": digest[:-1] + bytes([digest[-1] ^ 0x80]),
        "zeros": bytes(32),
        "of-number": hashlib.sha256(good[4:]).digest(),
        "sha1": hashlib.sha1(good).digest() + bytes(12),
        "short": digest[:31],
        "long": digest + b"\0",
        "empty": b"",
    }
    for name, hashed in hashes.items():
        case(
            f"hash-{name}",
            "it is not the SHA256 hash of the MPI with its length",
            good,
            "AKE-VERIFY-1 COMMIT-HASH-1",
            hashed=hashed,
            reaction="refused",
            flags="Commitment",
        )
    for bit in (0, 64, 127):
        other = (int.from_bytes(r) ^ 1 << bit).to_bytes(16)
        case(
            f"key-bit-{bit}",
            "another key is revealed",
            good,
            "AKE-VERIFY-1",
            reaction="refused",
            flags="Commitment",
            revealed=other,
        )


def _commits(file: FileBuilder, version: int) -> None:
    """Commits for a client in NONE; each malformed one is followed by a good one."""
    form = "COMMIT-FORM-1" if version == 2 else "COMMIT-FORM-2 COMMIT-FORM-4 COMMIT-FORM-5"
    answer = (
        "DHKEY-FORM-1" if version == 2 else "DHKEY-FORM-2 DHKEY-FORM-4 DHKEY-FORM-5 INSTANCE-REPLY-1 INSTANCE-ZERO-2"
    )
    shows = f"{form} COMMIT-FORM-3 COMMIT-FORM-6 COMMIT-NONE-1 COMMIT-NONE-2 STATE-AUTH-1 {answer}"
    shows += " STATE-AUTH-3 DHKEY-FORM-3 DHKEY-FORM-6"
    group = file.plays(
        f"v{version}",
        "Commits received in NONE.",
        version=version,
        sequel=lambda session: session.give(_commit(session)),
    )
    group.play("good", "answered with a D-H Key", shows, lambda session: session.give(_commit(session)))
    if version == 3:
        group.play(
            "receiver",
            "with the receiver's tag",
            f"{shows} COMMIT-FORM-5",
            lambda session: session.give(session.insider.commit(receiver=session.insider.target_tag)),
        )
    for name, content in {"empty": b"", "one-byte": b"x", "long": bytes(2000)}.items():
        group.play(
            f"encrypted-{name}",
            "what is encrypted can't be looked at yet",
            shows,
            bound(content, lambda session, content: session.give(session.insider.commit(gxmpi=content))),
        )
    refused = "COMMIT-BAD-1"
    for size in (0, 1, 20, 31, 33, 64):
        group.play(
            f"hash-size-{size}",
            f"a hash of {size} bytes",
            f"COMMIT-HASH-2 {refused}",
            bound(size, lambda session, size: session.give(session.insider.commit(hashed=bytes(size)))),
            reaction="ignored",
            flags="FieldSize",
        )
    example = Insider(published_key("mallory"), 0x1A1A, version=version, seed=b"example").commit()
    cuts(group, _commit, ends(example, 33), refused)
    longer(group, _commit, refused, ("dh_key",))
    versions_and_types(group, _commit, version)
    for field in ("encrypted_gx", "hashed_gx"):
        for said in (0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF):
            group.play(
                f"length-{field}-{said:x}",
                f"{field} announces {said:#x} bytes",
                f"TYPES-DATA-3 TYPES-DATA-2 {refused}",
                bound2(
                    field,
                    said,
                    lambda session, field, said: session.give(
                        changed(
                            _commit(session), lambda one: one.with_raw(field, said.to_bytes(4) + one.raw(field)[4:])
                        )
                    ),
                ),
                reaction="ignored",
                flags="HugeLength",
            )


def _commit_states(file: FileBuilder, version: int) -> None:
    """Commits during a handshake, and in ENCRYPTED."""

    def other(session: ClientSession) -> bytes:
        """A commit to a different value."""
        session.insider.x, session.insider.r = int.from_bytes(exponent(90)), random("another r", 16)
        return session.insider.commit()

    waiting = file.plays(
        f"v{version}-awaiting-revealsig",
        "Commits received in AWAITING_REVEALSIG.",
        lambda session: session.commit(),
        version=version,
    )
    shows = "COMMIT-REVEALSIG-1 COMMIT-REVEALSIG-2 COMMIT-REVEALSIG-3"
    waiting.play("same", "the same D-H Key again", shows, lambda session: session.give(_commit(session)))
    waiting.play(
        "other",
        "the same D-H Key again; the new commit takes the place of the old",
        shows,
        lambda session: session.give(other(session)),
    )

    def completes(session: ClientSession) -> None:
        session.give(other(session))
        session.give(session.handshake.reveal_signature())

    waiting.play(
        "other-completes",
        "the handshake completes with the new commit",
        f"{shows} REVEAL-ACCEPT-1 REVEAL-ACCEPT-4",
        completes,
    )

    def old(session: ClientSession) -> None:
        reveal = session.handshake.reveal_signature()
        session.give(other(session))
        session.give(reveal)

    waiting.play(
        "other-then-old",
        "a Reveal Signature for the old commit is not accepted any more",
        shows,
        old,
        reaction="ignored",
        flags="Commitment",
    )
    for size in (0, 31):
        waiting.play(
            f"hash-size-{size}",
            "a malformed commit changes nothing",
            "COMMIT-BAD-1 COMMIT-HASH-2",
            bound(size, lambda session, size: session.give(session.insider.commit(hashed=bytes(size)))),
            reaction="ignored",
            flags="FieldSize",
        )
    sig = file.plays(
        f"v{version}-awaiting-sig",
        "Commits received in AWAITING_SIG.",
        lambda session: session.reveal(),
        version=version,
    )
    sig.play(
        "good",
        "answered with a new D-H Key",
        "COMMIT-SIG-1 COMMIT-SIG-2 AKE-FRESH-1",
        lambda session: session.give(_commit(session)),
    )
    live = file.plays(
        f"v{version}-encrypted", "Commits received in ENCRYPTED.", lambda session: session.begin(), version=version
    )
    live.play(
        "good",
        "a new handshake begins; the session stays",
        "COMMIT-LIVE-1 AKE-FRESH-1",
        lambda session: session.give(_commit(session)),
    )

    def meanwhile(session: ClientSession) -> None:
        session.give(_commit(session))
        session.hear(b"still here")

    live.play(
        "meanwhile",
        "the session goes on while the handshake is under way",
        "COMMIT-LIVE-1 STATE-ENCRYPTED-3",
        meanwhile,
    )
    live.play(
        "malformed",
        "a malformed commit changes nothing",
        "COMMIT-BAD-1 COMMIT-HASH-2",
        lambda session: session.give(session.insider.commit(hashed=b"")),
        reaction="ignored",
        flags="FieldSize",
    )


def _collisions(file: FileBuilder) -> None:
    """Both sides commit at the same time."""
    for version in (2, 3):
        group = file.plays(
            f"v{version}-awaiting-dhkey",
            "Commits received in AWAITING_DHKEY.",
            lambda session: session.query(),
            version=version,
        )
        lost = "COMMIT-DHKEY-1 COMMIT-DHKEY-5 COMMIT-DHKEY-6"
        won = "COMMIT-DHKEY-1 COMMIT-DHKEY-2 COMMIT-DHKEY-3 COMMIT-DHKEY-4 COMMIT-DHKEY-8"

        def hashed(session: ClientSession) -> int:
            return int.from_bytes(wire.parse(session.memory[Kind.DH_COMMIT]).data("hashed_gx"))

        def with_hash(value: Callable[[int], int]) -> Act:
            return lambda session: session.give(session.insider.commit(hashed=value(hashed(session)).to_bytes(32)))

        higher: Mapping[str, Callable[[int], int]] = {
            "higher-1": lambda own: own + 1,
            "higher-most": lambda own: (1 << 256) - 1,
            "higher-byte": lambda own: own + (1 << 200),
        }
        lower: Mapping[str, Callable[[int], int]] = {
            "lower-1": lambda own: own - 1,
            "lower-0": lambda own: 0,
            "lower-byte": lambda own: own - (1 << 200),
        }
        for name, value in higher.items():
            group.play(name, "their hash is higher: ours is forgotten", lost, with_hash(value), flags="Collision")
        for name, value in lower.items():
            group.play(
                name,
                "our hash is higher: ours goes out again",
                won,
                with_hash(value),
                reaction="resent",
                flags="Collision",
            )
        group.play(
            "equal",
            "both hashes are the same: ours is forgotten",
            "COMMIT-DHKEY-5 COMMIT-DHKEY-1",
            with_hash(lambda own: own),
            flags="Collision",
            ours="COMMIT-EQUAL:yield",
            others={"COMMIT-EQUAL:resend": invalid("resent", sends=("dh_commit",), shows=())},
        )
        group.play(
            "malformed",
            "a malformed commit changes nothing",
            "COMMIT-BAD-1 COMMIT-HASH-2",
            lambda session: session.give(session.insider.commit(hashed=bytes(33))),
            reaction="ignored",
            flags="FieldSize",
        )

        def completes(session: ClientSession) -> None:
            session.give(session.insider.commit(hashed=bytes(32)))
            session.handshake.dh_key()
            session.give(session.signature())

        group.play(
            "lower-completes",
            "ours is answered in the end",
            "COMMIT-DHKEY-7 COMMIT-DHKEY-4",
            completes,
            flags="Collision",
        )
