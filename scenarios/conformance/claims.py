"""What a target says of itself, put to the test: randomness that follows from a seed, and that is used."""

from __future__ import annotations

from otterproof.harness.targets.driver import DriverTarget
from otterproof.harness.testkit.context import TARGET, Context, Pair
from otterproof.harness.testkit.driver_claims import probe
from otterproof.harness.testkit.scenario import scenario
from otterproof.implementations.contract import Outgoing


def _transmitted(pair: Pair) -> list[bytes]:
    pair.establish(TARGET)
    pair.say(TARGET, b"the same text")
    return [event.message for event in pair.events(0, TARGET, Outgoing)]


@scenario(requirements=("AKE-BOTH-1", "DATA-RECV-2"))
def the_same_seed_gives_the_same_bytes(context: Context) -> None:
    """A target that says it draws from a seed or tape transmits the same bytes when a conversation is repeated."""
    first, again = _transmitted(context.pair()), _transmitted(context.pair())
    context.check(
        context.target.randomness == "none" or first == again,
        f"with its randomness ({context.target.randomness}) given, the target repeats itself to the byte",
    )


@scenario(requirements=("AKE-FRESH-1", "COMMIT-GX-1"))
def another_seed_gives_other_bytes(context: Context) -> None:
    """Randomness is used: two conversations with different seeds have no handshake message in common."""
    first = _transmitted(context.pair())
    context.seed += b", another"
    again = _transmitted(context.pair())
    common = {message for message in first if message in again and message.startswith(b"?OTR:")}
    context.check(not common, f"nothing is the same under another seed, and {len(common)} messages were")


@scenario(requirements=("STATE-ACTIONS-1",))
def what_is_claimed_can_be_done(context: Context) -> None:
    """A driver's claims hold: what it says that its target can do is not answered with "unsupported".

    The claims do not depend on the version, so they are put to the test once, in the lowest one that is claimed.
    """
    target = context.target
    versions = [version for version in (2, 3) if f"v{version}" in target.capabilities]
    if isinstance(target, DriverTarget) and context.version == versions[0]:
        complaints = probe(target)
        context.check(not complaints, "\n".join(["all claims hold", *complaints]))
