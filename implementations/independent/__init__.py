"""An engine of Off-the-Record messaging, versions 2 and 3, on PyCryptodome.

It was written from the protocol texts and the contract alone, and shares no code with the other engine, so that a
difference between the two points at a mistake in one of them or at a question that the texts leave open.
"""

from .engine import IndependentEngine

__all__ = ["IndependentEngine"]
