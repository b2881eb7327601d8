"""What Otterproof judges an implementation by. Importing this package registers all scenarios."""

from scenarios import interop

__all__ = ["interop"]
