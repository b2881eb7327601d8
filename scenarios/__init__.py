"""What Otterproof judges an implementation by. Importing this package registers all scenarios."""

from scenarios import adversary, interop, properties

__all__ = ["adversary", "interop", "properties"]
