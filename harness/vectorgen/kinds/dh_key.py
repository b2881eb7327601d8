"""D-H Key Messages that answer a commit, and those that do not. [D-H Key Message]"""

from __future__ import annotations

from collections.abc import Mapping

from otterproof.harness import wire
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.vectorgen.builder import FileBuilder, valid
from otterproof.harness.vectorgen.client_session import ALLOW, ClientSession
from otterproof.harness.vectorgen.kinds.derive import LIMITS, OUTSIDE, PUBLIC_ZEROS, PUBLIC_ZEROS_2, exponent
from otterproof.harness.vectorgen.kinds.mutations import changed, cuts, ends, longer, versions_and_types
from otterproof.harness.vectorgen.play_builder import Act, bound, gives, nothing
from otterproof.harness.wire import DH_PRIME
from otterproof.harness.wire.numbers import power
from otterproof.implementations.contract import Policy


def _dh_key(session: ClientSession) -> bytes:
    return session.insider.dh_key()


def dh_key(file: FileBuilder) -> None:
    """D-H Keys that answer a commit, and those that do not."""
    for version in (2, 3):
        _keys(file, version)
        _key_states(file, version)


def _keys(file: FileBuilder, version: int) -> None:
    group = file.plays(
        f"v{version}",
        "D-H Keys received in AWAITING_DHKEY.",
        lambda session: session.query(),
        version=version,
        sequel=lambda session: session.give(_dh_key(session)),
    )
    form = "DHKEY-FORM-1" if version == 2 else "DHKEY-FORM-2"
    answer = "REVEAL-FORM-1" if version == 2 else "REVEAL-FORM-2 REVEAL-FORM-4 REVEAL-FORM-5 INSTANCE-REPLY-2"
    shows = f"{form} DHKEY-FORM-3 DHKEY-FORM-6 DHKEY-DHKEY-1 DHKEY-DHKEY-2 STATE-AUTH-4 {answer}"
    shows += " REVEAL-FORM-3 REVEAL-FORM-8 AKE-OUTLINE-3"
    group.play("good", "answered with a Reveal Signature", shows, lambda session: session.give(_dh_key(session)))
    for name, value in LIMITS.items():
        group.play(
            f"limit-{name}",
            f"g^y is {name}",
            f"{shows} AKE-VALID-3",
            bound(value, lambda session, value: session.give(session.insider.dh_key(value))),
            flags="GroupElement",
        )
    for number in (*PUBLIC_ZEROS, *PUBLIC_ZEROS_2):
        value = power(2, int.from_bytes(exponent(number)))
        group.play(
            f"public-zeros-{number}",
            "g^y begins with zero bytes: its MPI is shorter",
            shows,
            bound(value, lambda session, value: session.give(session.insider.dh_key(value))),
            flags="SecretZeros",
        )
    for name, value in OUTSIDE.items():
        group.play(
            f"outside-{name}",
            f"g^y is {name}",
            "AKE-VALID-1 AKE-VALID-4",
            bound(value, lambda session, value: session.give(session.insider.dh_key(value))),
            reaction="ignored",
            flags="GroupElement",
        )
    refused = "DHKEY-FORM-6"
    example = Insider(published_key("mallory"), 0x1A1A, version=version, seed=b"example").dh_key()
    cuts(group, _dh_key, ends(example, 10), refused)
    longer(group, _dh_key, refused, ("reveal_signature",))
    versions_and_types(group, _dh_key, version)
    for zeros in (1, 2, 64):
        group.play(
            f"zeros-{zeros}",
            f"{zeros} leading zero bytes in the MPI",
            "TYPES-MPI-2 TYPES-MPI-5",
            bound(
                zeros,
                lambda session, zeros: session.give(
                    changed(
                        _dh_key(session),
                        lambda one: one.with_raw(
                            "gy", (len(one.raw("gy")) - 4 + zeros).to_bytes(4) + bytes(zeros) + one.raw("gy")[4:]
                        ),
                    )
                ),
            ),
            reaction="ignored",
            flags="LeadingZeros",
            ours="TYPES-MPI-ZEROS:reject",
            others={
                "TYPES-MPI-ZEROS:normalise": valid(sends=("reveal_signature",), shows=()),
                "TYPES-MPI-ZEROS:raw": valid(sends=("reveal_signature",), shows=()),
            },
        )
    for said in (0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF):
        group.play(
            f"length-{said:x}",
            f"g^y announces {said:#x} bytes",
            f"TYPES-DATA-3 TYPES-DATA-2 {refused}",
            bound(
                said,
                lambda session, said: session.give(
                    changed(_dh_key(session), lambda one: one.with_raw("gy", said.to_bytes(4) + one.raw("gy")[4:]))
                ),
            ),
            reaction="ignored",
            flags="HugeLength",
        )
    if version == 3:
        both = file.plays(
            "v3-answered-in-v2",
            "A version 2 D-H Key for a version 3 commit.",
            lambda session: session.query(),
            policy=ALLOW[2] | ALLOW[3],
        )
        body = wire.parse(Insider(published_key("mallory"), 0x1A1A, version=2, seed=b"other").dh_key())
        both.play(
            "v2",
            "a D-H Key of another version is no answer",
            "DHKEY-VERSION-1",
            gives(wire.build(body)),
            reaction="ignored",
            flags="Header",
        )


def _key_states(file: FileBuilder, version: int) -> None:
    sig = file.plays(
        f"v{version}-awaiting-sig",
        "D-H Keys received in AWAITING_SIG.",
        lambda session: session.reveal(),
        version=version,
    )
    sig.play(
        "same",
        "the same one: the same Reveal Signature again",
        "DHKEY-SIG-1",
        lambda session: session.give(_dh_key(session)),
    )
    for name, number in {"other": 12345, "p-less-2": DH_PRIME - 2, "2": 2, "0": 0}.items():
        sig.play(
            f"other-{name}",
            "another one is ignored",
            "DHKEY-SIG-2",
            bound(number, lambda session, value: session.give(session.insider.dh_key(value))),
            reaction="ignored",
            flags="State",
        )
    reaches: Mapping[str, tuple[str, str, Act]] = {
        "none": ("NONE", "DHKEY-NONE-1", nothing),
        "awaiting-revealsig": ("AWAITING_REVEALSIG", "DHKEY-REVEALSIG-1", lambda session: session.commit()),
        "encrypted": ("ENCRYPTED, no handshake under way", "DHKEY-NONE-1", lambda session: session.begin()),
    }
    for name, (state, shows, reach) in reaches.items():
        group = file.plays(f"v{version}-{name}", f"D-H Keys received in {state}.", reach, version=version)
        values: Mapping[str, int | None] = {"own": None, "2": 2, "0": 0}
        for key, value in values.items():
            group.play(
                key,
                "it is not waited for",
                shows,
                bound(value, lambda session, value: session.give(session.insider.dh_key(value))),
                reaction="ignored",
                flags="State",
            )

    def forbid(session: ClientSession) -> None:
        session.query()
        session.do("set_policy", policy=ALLOW[5 - version] | Policy.NONE)

    group = file.plays(
        f"v{version}-not-allowed", f"Version {version} is not allowed any more.", forbid, version=version
    )
    shows = "DHKEY-POLICY-1" if version == 2 else "DHKEY-POLICY-2"
    group.play(
        "good",
        "the policy forbids its version",
        shows,
        lambda session: session.give(_dh_key(session)),
        reaction="ignored",
        flags="Policy",
    )
