"""What scenarios need from a program beyond a conversation: to restart it, and to read its logs.

A target behind the driver protocol is asked for this. An engine in this process acts as a simple program that keeps its
key and its instance tag, and logs what the engine passes to Python's `logging`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from otterproof.harness.simulation.world import World
from otterproof.harness.targets.driver.party import DriverParty
from otterproof.harness.testkit.context import TARGET, Context, TargetSession
from otterproof.implementations.drivers.engine import simple_log


def keep_log() -> None:
    """Start the log of an engine in this process; call this before using the engine."""
    simple_log.begin()


def logs(target: TargetSession) -> Mapping[str, bytes]:
    """What the target has written into its logs, by file name."""
    party = target.world.parties[target.name]
    return party.logs() if isinstance(party, DriverParty) else {"log": simple_log.read()}


def restarted(context: Context, target: TargetSession) -> TargetSession:
    """The target after its user has ended and restarted it, in a new run."""
    info = target.record.header.parties[target.name]
    party = target.world.parties[target.name]
    if isinstance(party, DriverParty):
        record = context.record({TARGET: info})
        party.restart()
    else:
        seed = context.seed + b", started again"
        info = replace(info, config=replace(info.config, instance_tag=party.instance_tag))
        record = context.record({TARGET: info}, seed)
        party = context.target.party(TARGET, info.config, seed)
    return TargetSession(World({TARGET: party}, {TARGET: []}), context.version, record)
