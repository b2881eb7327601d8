"""What a driver claims about its target: its capabilities, and that its randomness follows from a seed."""

from __future__ import annotations

from otterproof.harness.targets.driver import DriverTarget
from otterproof.harness.testkit.context import TARGET, Context, Pair, check
from otterproof.harness.testkit.driver_claims import probe
from otterproof.harness.testkit.reply import fail
from otterproof.harness.testkit.scenario import scenario
from otterproof.implementations.contract import OutgoingMessage


def _transmitted(pair: Pair) -> list[bytes]:
    pair.establish(TARGET)
    pair.say(TARGET, b"the same text")
    return [event.message for event in pair.events(0, TARGET, OutgoingMessage)]


@scenario(requirements=("AKE-BOTH-1", "DATA-RECV-2"))
def same_seed_gives_same_bytes(context: Context) -> None:
    """A target that draws from a seed or tape sends the same bytes when a conversation is repeated."""
    first, again = _transmitted(context.pair()), _transmitted(context.pair())
    changed = [one for one, other in zip(first, again, strict=False) if one != other]
    check(
        "driver.not-repeatable",
        context.target.randomness == "none" or first == again,
        expected=f"the same {len(first)} messages in both conversations",
        got=f"{len(again)} messages in the second conversation, {len(changed)} of them with other bytes",
        case=f'randomness "{context.target.randomness}"',
    )


@scenario(requirements=("AKE-FRESH-1", "COMMIT-GX-1"))
def different_seeds_give_different_bytes(context: Context) -> None:
    """Randomness is used: two conversations with different seeds have no encoded message in common."""
    first = _transmitted(context.pair())
    context.seed += b", another"
    again = _transmitted(context.pair())
    common = {message for message in first if message in again and message.startswith(b"?OTR:")}
    check("driver.seed-not-used", not common, expected="no message in common", got=sorted(common))


@scenario(requirements=("STATE-ACTIONS-1",))
def claimed_capabilities_work(context: Context) -> None:
    """A target can do all that its driver claims: none of it is answered with "unsupported".

    The claims do not depend on the version, so they are tested once, in the lowest version claimed.
    """
    target = context.target
    versions = [version for version in (2, 3) if f"v{version}" in target.capabilities]
    if not isinstance(target, DriverTarget) or context.version != versions[0]:
        return
    complaints = probe(target)
    if complaints:
        first, others = complaints[0], [complaint.claim for complaint in complaints[1:]]
        more = f"; these do not hold either: {', '.join(others)}" if others else ""
        fail(first.check, expected=first.expected, got=first.got, case=f"the claim {first.claim}{more}")
