"""What Otterproof judges an implementation by. Importing this package registers all scenarios."""

from scenarios import adversary, claims, interop, properties

__all__ = ["adversary", "claims", "interop", "properties"]
