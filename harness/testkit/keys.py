"""Four long-term keys that never change, for everything that needs a party: alice, bob, carol and mallory.

They are published with the project (harness/testkit/data/test_keys.otr, in libotr's format, so that a client can load
them): good for tests, and for nothing else. Making a key takes seconds; with these a test pays nothing, and
fingerprints in transcripts and vectors stay the same.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from otterproof.implementations.contract import DsaPrivateKey
from otterproof.implementations.keyfile import load_keys

#: The key file; the accounts in it have the names below.
KEY_FILE = Path(__file__).parent / "data" / "test_keys.otr"

#: The names, and the protocol of the accounts.
NAMES = ("alice", "bob", "carol", "mallory")
PROTOCOL = "otterproof"


@cache
def _keys() -> dict[str, DsaPrivateKey]:
    return {account.name: account.key for account in load_keys(KEY_FILE)}


def published_key(name: str) -> DsaPrivateKey:
    """The key of one of NAMES. KeyError with the names that there are."""
    if name not in _keys():
        raise KeyError(f"no test key for {name!r}; there are keys for {', '.join(_keys())}")
    return _keys()[name]


# The name begins like a test's: without this pytest would collect it wherever it is imported.
setattr(published_key, "__test__", False)  # noqa: B010 (a plain assignment is not typed)
