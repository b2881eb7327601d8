"""The catalogue of faults: engines that are wrong in one small way each, so that every check can be seen to fail.

A fault is data (catalogue/*.toml): an edit or two in the reference engine's source, with what it breaks, who can see it
and where the like of it was seen. `faults` reads the catalogue, `engine` makes the engine that has a fault, and
`FaultTarget` is that engine as something to be judged.
"""

from otterproof.harness.targets.faults.entries import AREAS, Edit, Fault, FaultError, faults
from otterproof.harness.targets.faults.loader import UnknownFault, engine
from otterproof.harness.targets.faults.target import FaultTarget

__all__ = ["AREAS", "Edit", "Fault", "FaultError", "FaultTarget", "UnknownFault", "engine", "faults"]
