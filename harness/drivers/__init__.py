"""Third-party implementations as targets: processes behind the driver protocol, and what outlives them."""

from harness.drivers.errors import (
    TargetCrash,
    TargetDesync,
    TargetError,
    TargetFailed,
    TargetGivenUp,
    TargetHang,
    TargetMissing,
    TargetUnsupported,
)
from harness.drivers.giving_up import GIVE_UP_AFTER, USUAL, GivingUp, Limits
from harness.drivers.party import DriverParty, StateDump
from harness.drivers.process import DriverProcess
from harness.drivers.registry import THIRD_PARTIES, ThirdParty
from harness.drivers.target import CAPABILITIES, DriverTarget

__all__ = [
    "CAPABILITIES",
    "GIVE_UP_AFTER",
    "THIRD_PARTIES",
    "USUAL",
    "DriverParty",
    "DriverProcess",
    "DriverTarget",
    "GivingUp",
    "Limits",
    "StateDump",
    "TargetCrash",
    "TargetDesync",
    "TargetError",
    "TargetFailed",
    "TargetGivenUp",
    "TargetHang",
    "TargetMissing",
    "TargetUnsupported",
    "ThirdParty",
]
