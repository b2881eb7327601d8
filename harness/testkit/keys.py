"""Four long-term keys that never change, for everything that needs a party: alice, bob, carol and mallory.

They are published with the project (harness/testkit/data/test_keys.otr, in libotr's format, so that a client can load
them): for tests, and nothing else. Generating a key takes seconds; with these a test spends no time on that, and
fingerprints in transcripts and vectors stay the same.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from otterproof.implementations.contract import DsaPrivateKey, DsaPublicKey
from otterproof.implementations.keyfile import load_keys

#: The key file; its accounts have the names below.
KEY_FILE = Path(__file__).parent / "data" / "test_keys.otr"

#: The names, and the protocol of the accounts.
NAMES = ("alice", "bob", "carol", "mallory")
PROTOCOL = "otterproof"

#: A prime of 2048 bits, one more than a multiple of q in mallory's key: the first one found, starting from a hash.
_LONG_PRIME = int(
    "cdbdb2c25b1f7c6c71364f2134f4069482cc9afd954d69d91051ced3cbff8db22f62c5098f356e41f8fea2baea671549"
    "ad897d5ebfaa13eafb6319ee685b65baa66b49875d248d67799b03478e57cbe21757bbc9e0dcfd50c9517959efaf5831"
    "616eac2b0a5af41d86dbf89382f2dbb2f2e1bd4dfe31a828489ef85841b606c91732753d0eefb912aa1ff633750a6ec2"
    "0342030ee69fd809f3b8b8af50e77770b691cdc82427d6bd51402db40298422759de18b5e2217147980ed66adf6d7f5c"
    "bae4b2831dc2c39b64e32e7e963e25f17f55117f8cc7938bc31da3c68f432339243327b3b458d7245753426d7281ae9b"
    "6190ebd92dfc0a23706b42061627d2e1",
    16,
)


@cache
def _keys() -> dict[str, DsaPrivateKey]:
    return {account.name: account.key for account in load_keys(KEY_FILE)}


def published_key(name: str) -> DsaPrivateKey:
    """The key of one of NAMES. For other names, raises KeyError with the valid ones."""
    if name not in _keys():
        raise KeyError(f"no test key for {name!r}; there are keys for {', '.join(_keys())}")
    return _keys()[name]


# The name begins like a test's: without this, pytest would collect it wherever it is imported.
setattr(published_key, "__test__", False)  # noqa: B010 (a plain assignment is not typed)


@cache
def long_key() -> DsaPrivateKey:
    """A key with a 2048-bit p and a 160-bit q, made from mallory's."""
    q, x = published_key("mallory").public.q, published_key("mallory").x
    g = pow(2, (_LONG_PRIME - 1) // q, _LONG_PRIME)
    return DsaPrivateKey(DsaPublicKey(_LONG_PRIME, q, g, pow(g, x, _LONG_PRIME)), x)
