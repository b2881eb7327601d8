"""The catalogue of faults: engines that are wrong in one small way each, so that every check can be seen to fail.

A fault is data (catalogue/*.toml): an edit or two in the reference engine's source, what it breaks, who can see it, and
where something similar was seen. `faults` reads the catalogue, `engine` creates the engine with a fault, and
`FaultTarget` makes that engine a target.
"""

from otterproof.harness.targets.faults.entries import AREAS, Edit, Fault, FaultError, faults
from otterproof.harness.targets.faults.loader import UnknownFault, engine
from otterproof.harness.targets.faults.target import FaultTarget

__all__ = ["AREAS", "Edit", "Fault", "FaultError", "FaultTarget", "UnknownFault", "engine", "faults"]
