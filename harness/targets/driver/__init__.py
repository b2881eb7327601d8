"""Third-party implementations as targets: processes behind the driver protocol, and the state that outlives them."""

from otterproof.harness.targets.driver.errors import (
    TargetCrash,
    TargetDesync,
    TargetError,
    TargetFailed,
    TargetGivenUp,
    TargetHang,
    TargetMissing,
    TargetStranded,
    TargetUnsupported,
)
from otterproof.harness.targets.driver.giving_up import USUAL, GivingUp, Limits
from otterproof.harness.targets.driver.party import DriverParty, StateDump
from otterproof.harness.targets.driver.process import DriverProcess
from otterproof.harness.targets.driver.target import CAPABILITIES, DriverTarget
from otterproof.harness.targets.driver.third_parties import SANITIZED, THIRD_PARTIES, VARIANTS
from otterproof.harness.targets.driver.third_party import ThirdParty
from otterproof.harness.targets.driver.trace import TraceFile

__all__ = [
    "CAPABILITIES",
    "SANITIZED",
    "THIRD_PARTIES",
    "USUAL",
    "VARIANTS",
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
    "TargetStranded",
    "TargetUnsupported",
    "ThirdParty",
    "TraceFile",
]
