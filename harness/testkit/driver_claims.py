"""Whether a driver's claims hold, asked of the driver alone: `probe` has two of its parties talk to each other.

It asks once for everything that is claimed, so that a claim which no scenario happens to touch is not just believed,
and a driver's author learns of all of them at once. What comes of it is not judged here: that is for scenarios.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from otterproof.harness.targets.driver.errors import TargetUnsupported
from otterproof.harness.targets.driver.party import DriverParty
from otterproof.harness.targets.driver.target import DriverTarget
from otterproof.harness.testkit.keys import published_key
from otterproof.implementations.contract import Outgoing, PartyConfig, Policy

_ALLOW = {2: Policy.ALLOW_V2, 3: Policy.ALLOW_V3}
_TAGS = {"alice": 0x1A1A, "bob": 0x2B2B}

#: A handshake and SMP take 12 messages, in fragments of this size fewer than 100.
_FRAGMENT, _MESSAGES = 400, 500

#: Capability ("" for that of the version), who is asked, and for what, in this order.
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
)

#: Not in version 2.
_ONLY_V3 = frozenset({"extra_key", "instance_tags"})


def probe(target: DriverTarget) -> list[str]:
    """What does not hold of that which the target claims, a sentence each.

    TargetError when it crashes, hangs or answers with nonsense, which is a finding of its own.
    """
    complaints: list[str] = []
    for version in (2, 3):
        if f"v{version}" in target.capabilities:
            complaints += _requests(target, version)
            complaints += _repetition(target, version)
    target.reset()
    return list(dict.fromkeys(complaints))  # many are the same in both versions


def _party(target: DriverTarget, name: str, version: int) -> DriverParty:
    size = _FRAGMENT if "fragmentation_out" in target.capabilities else None
    tag = _TAGS[name] if "instance_tags" in target.capabilities else None
    return target.party(name, PartyConfig(published_key(name), _ALLOW[version], tag, size), b"probe")


def _requests(target: DriverTarget, version: int) -> Iterator[str]:
    """Ask for everything."""
    target.reset()
    try:
        parties = {name: _party(target, name, version) for name in _TAGS}
    except TargetUnsupported as error:
        yield f"it claims v{version}, and says that it can't: {error}"
        return
    if version == 3 and "instance_tags" in target.capabilities:
        for name, tag in _TAGS.items():
            if parties[name].instance_tag != tag:
                yield f"it claims instance_tags, and takes {parties[name].instance_tag} where {tag} was given"
    for needed, who, request in _REQUESTS:
        claim = needed or f"v{version}"
        if claim not in target.capabilities or (version == 2 and claim in _ONLY_V3):
            continue
        try:
            _deliver(parties, who, request(parties[who]))
        except TargetUnsupported as error:
            yield f"it claims {claim}, and says that it can't: {error}"


def _deliver(parties: dict[str, DriverParty], who: str, events: object) -> None:
    """Take what a request gave to the other party, and what comes of it back, until there is silence."""
    under_way = [(who, message) for message in _messages(events)]
    for _ in range(_MESSAGES):
        if not under_way:
            return
        sender, message = under_way.pop(0)
        receiver = "bob" if sender == "alice" else "alice"
        under_way += [(receiver, answer) for answer in _messages(parties[receiver].receive(message))]


def _messages(events: object) -> list[bytes]:
    """What is to be transmitted; nothing, where a request gives no events."""
    return [event.message for event in events if isinstance(event, Outgoing)] if isinstance(events, list) else []


def _repetition(target: DriverTarget, version: int) -> Iterator[str]:
    """Have it begin the same handshake twice, from the same seed."""
    if target.randomness == "none":
        return
    seen = []
    for _ in range(2):
        target.reset()
        try:
            seen.append(_messages(_party(target, "alice", version).receive(b"?OTRv%d?" % version)))
        except TargetUnsupported:
            return  # which was complained of above
    if seen[0] != seen[1]:
        yield f'its randomness is "{target.randomness}", and the same seed gives other bytes the second time'
