"""Verify a driver's claims with the driver alone: `probe` has two of its parties talk to each other.

It requests everything that is claimed once, so that no claim is believed just because no scenario happens to use it,
and a driver's author learns of all broken claims at once. The target's conduct is not judged here: that is for
scenarios.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from otterproof.harness.simulation.exchange import exchange, outgoing
from otterproof.harness.simulation.network import NotQuiescent
from otterproof.harness.targets.driver.errors import TargetUnsupported
from otterproof.harness.targets.driver.party import DriverParty
from otterproof.harness.targets.driver.target import DriverTarget
from otterproof.harness.testkit.keys import published_key
from otterproof.implementations.contract import Event, PartyConfig, Policy

_ALLOW = {2: Policy.ALLOW_V2, 3: Policy.ALLOW_V3}
_TAGS = {"alice": 0x1A1A, "bob": 0x2B2B}

#: A handshake and SMP take 12 messages; in fragments of this size, fewer than 100.
_FRAGMENT, _MESSAGES = 400, 500

#: The capability ("" for that of the version), the party to ask, and the request, in this order.
_REQUESTS: Sequence[tuple[str, str, Callable[[DriverParty], object]]] = (
    ("", "alice", lambda party: party.start()),
    ("", "bob", lambda party: party.send(b"hi")),
    ("smp", "alice", lambda party: party.smp_start(b"secret")),
    ("smp", "bob", lambda party: party.smp_answer(b"secret")),
    ("smp_question", "bob", lambda party: party.smp_start(b"secret", question=b"which?")),
    ("smp_abort", "bob", lambda party: party.smp_abort()),
    ("extra_key", "alice", lambda party: party.extra_key(1, b"data")),
    ("instance_tags", "alice", lambda party: party.send(b"hi", instance=_TAGS["bob"])),
    ("policy", "alice", lambda party: party.set_policy(Policy.ALLOW_V2 | Policy.ALLOW_V3)),
    ("time", "alice", lambda party: party.set_time(60)),
    ("dump", "alice", lambda party: party.dump()),
    ("", "alice", lambda party: party.end()),
    ("logs", "alice", lambda party: party.logs()),
    ("restart", "alice", lambda party: party.restart()),
)

#: Not in version 2.
_ONLY_V3 = frozenset({"extra_key", "instance_tags"})


@dataclass(frozen=True, slots=True)
class Complaint:
    """A claim that does not hold. check: its id in the table of checks; claim: what the driver says of its target."""

    check: str
    claim: str
    expected: object
    got: object


def probe(target: DriverTarget) -> list[Complaint]:
    """Everything that the target claims and that does not hold.

    Raises TargetError if it crashes, hangs or answers with nonsense, which is a separate finding.
    """
    complaints: list[Complaint] = []
    for version in (2, 3):
        if f"v{version}" in target.capabilities:
            complaints += _requests(target, version)
            complaints += _repetition(target, version)
            if "snapshot" in target.capabilities:
                complaints += _snapshots(target, version)
    target.reset()
    return list(dict.fromkeys(complaints))  # both versions often have the same ones


def probe_coverage(target: DriverTarget) -> Iterator[Complaint]:
    """Broken claims about edge coverage, if coverage is claimed. Raises TargetError as `probe` does.

    Separate from the others, because counting may slow the target down until its process ends, and nothing else needs
    it.
    """
    version = next((one for one in (3, 2) if f"v{one}" in target.capabilities), None)
    if not target.coverage or version is None:
        return
    target.reset()
    try:
        begun = target.edges(begin=True)
        parties = {name: _party(target, name, version) for name in _TAGS}
        with suppress(NotQuiescent):
            exchange(parties, "alice", parties["alice"].start(), limit=_MESSAGES)
        reached, again = target.edges(), target.edges()
    except TargetUnsupported as error:
        yield _unsupported("coverage", error)
        return
    if begun:
        yield Complaint("driver.claim-not-kept", "coverage", "no edges when counting begins", "some")
    if not reached:
        yield Complaint("driver.claim-not-kept", "coverage", "the edges that a handshake reaches", "none")
    if reached & again:
        yield Complaint("driver.claim-not-kept", "coverage", "each edge is told once", "an edge is told again")


def _party(target: DriverTarget, name: str, version: int) -> DriverParty:
    size = _FRAGMENT if "fragmentation_out" in target.capabilities else None
    tag = _TAGS[name] if "instance_tags" in target.capabilities else None
    policy = target.fixed_policy or _ALLOW[version]
    return target.party(name, PartyConfig(published_key(name), policy, tag, size), b"probe")


def _unsupported(claim: str, error: TargetUnsupported) -> Complaint:
    return Complaint("driver.claim-not-kept", claim, "the request is carried out", str(error))


def _requests(target: DriverTarget, version: int) -> Iterator[Complaint]:
    """Request everything."""
    target.reset()
    try:
        parties = {name: _party(target, name, version) for name in _TAGS}
    except TargetUnsupported as error:
        yield _unsupported(f"v{version}", error)
        return
    if version == 3 and "instance_tags" in target.capabilities:
        for name, tag in _TAGS.items():
            used = parties[name].instance_tag
            if used != tag:
                yield Complaint("driver.instance-tag-not-used", "instance_tags", tag, used)
    for needed, who, request in _REQUESTS:
        claim = needed or f"v{version}"
        if claim not in target.capabilities or (version == 2 and claim in _ONLY_V3):
            continue
        try:
            events = request(parties[who])
            with suppress(NotQuiescent):  # that is for scenarios to judge
                exchange(parties, who, events if isinstance(events, list) else [], limit=_MESSAGES)
        except TargetUnsupported as error:
            yield _unsupported(claim, error)


def _repetition(target: DriverTarget, version: int) -> Iterator[Complaint]:
    """Have it begin the same handshake twice, from the same seed."""
    if target.randomness == "none":
        return
    sent = []
    for _ in range(2):
        target.reset()
        try:
            sent.append(outgoing(_party(target, "alice", version).receive(b"?OTRv%d?" % version)))
        except TargetUnsupported:
            return  # `_requests` reports this
    if sent[0] != sent[1]:
        claim = f'randomness "{target.randomness}"'
        yield Complaint("driver.not-repeatable", claim, "the same bytes from the same seed", "other bytes")


def _snapshots(target: DriverTarget, version: int) -> Iterator[Complaint]:
    """Return to a snapshot twice: what is done there must have the same result both times."""
    target.reset()
    try:
        alice, bob = (_party(target, name, version) for name in _TAGS)
    except TargetUnsupported:
        return  # `_requests` reports this
    went = []
    try:
        with suppress(NotQuiescent):
            exchange({"alice": alice, "bob": bob}, "alice", alice.start(), limit=_MESSAGES)
        target.snapshot(0)
        for _ in range(3):
            went.append([_seen(target, alice.send(b"hi")), _seen(target, alice.end())])
            target.restore(0)
        target.discard(0)
    except TargetUnsupported as error:
        yield _unsupported("snapshot", error)
        return
    if went != went[:1] * len(went):
        yield Complaint("driver.claim-not-kept", "snapshot", "after restore all is as it was", "it is not")


def _seen(target: DriverTarget, events: Sequence[Event]) -> list[bytes]:
    """The messages that are sent; only their beginnings if the rest is random."""
    return [message if target.randomness != "none" else message[:5] for message in outgoing(events)]
