"""Third-party implementations as targets: processes behind the driver protocol, and what outlives them."""

from harness.drivers.errors import (
    TargetCrash,
    TargetDesync,
    TargetError,
    TargetFailed,
    TargetHang,
    TargetMissing,
    TargetUnsupported,
)
from harness.drivers.party import DriverParty, StateDump
from harness.drivers.process import DriverProcess
from harness.drivers.registry import THIRD_PARTIES, ThirdParty
from harness.drivers.target import CAPABILITIES, DriverTarget

__all__ = [
    "CAPABILITIES",
    "THIRD_PARTIES",
    "DriverParty",
    "DriverProcess",
    "DriverTarget",
    "StateDump",
    "TargetCrash",
    "TargetDesync",
    "TargetError",
    "TargetFailed",
    "TargetHang",
    "TargetMissing",
    "TargetUnsupported",
    "ThirdParty",
]
