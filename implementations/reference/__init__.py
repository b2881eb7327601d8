"""The reference engine: OTR 2 and 3 on `cryptography`, written from the protocol text and the contract alone."""

from .engine import ReferenceEngine

__all__ = ["ReferenceEngine"]
