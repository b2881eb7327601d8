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
from harness.drivers.party import DriverParty, DriverTarget
from harness.drivers.process import DriverProcess
from harness.drivers.registry import THIRD_PARTIES, ThirdParty

__all__ = [
    "THIRD_PARTIES",
    "DriverParty",
    "DriverProcess",
    "DriverTarget",
    "TargetCrash",
    "TargetDesync",
    "TargetError",
    "TargetFailed",
    "TargetHang",
    "TargetMissing",
    "TargetUnsupported",
    "ThirdParty",
]
