"""What must be refused in a handshake, as far as the wire shows it: bad D-H values, and commits that do not open.

It does not matter here who made a message. Mistakes that only the sender's keys can show are known only for an
insider's messages. [otterproof.harness.simulation.handshake_insider]
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from otterproof.harness.wire import Kind, Message, crypto
from otterproof.harness.wire.layers import parse_gxmpi
from otterproof.harness.wire.numbers import in_group

#: The checks that a party fails by answering a g^y out of range, and by not using a key id as received.
GY_RANGE, KEY_ID = "handshake.gy-range-not-checked", "handshake.key-id-not-used"

#: What a commit commits to: the encrypted g^x, and its hash.
Commitment = tuple[bytes, bytes]

#: How many commits of a session are remembered; a revealed key may belong to any of them.
REMEMBERED = 200

#: The sizes in bytes of a revealed key and of the hash of g^x.
_KEY, _HASH = 16, 32


def commitment(message: Message) -> Commitment | None:
    """What a message commits to; None if it is not a commit, or is cut short."""
    if message.kind is not Kind.DH_COMMIT or not message.has("encrypted_gx") or not message.has("hashed_gx"):
        return None
    return message.data("encrypted_gx"), message.data("hashed_gx")


def wrongly_revealed(commits: Sequence[Commitment], reveal: Message) -> str:
    """The check that a party fails by accepting a Reveal Signature Message after these commits; "" if there is none.

    One of the commits has to open to a g^x in range. If none does, the check is that of the last commit.
    """
    if not reveal.has("revealed_key"):
        return ""
    key = reveal.data("revealed_key")
    if len(key) != _KEY:
        return "handshake.revealed-key-size-not-checked"
    # Nearly always it is the last one that opens.
    if not commits or any(not _wrong(one, key) for one in reversed(commits)):
        return ""
    return _wrong(commits[-1], key)


def _wrong(commit: Commitment, key: bytes) -> str:
    """The check that a party fails by opening a commit with this key and going on; "" if there is none."""
    encrypted, hashed = commit
    if len(hashed) != _HASH:
        return "encoding.hash-wrong-size-accepted"
    gxmpi = crypto.aes_ctr(key, bytes(8), encrypted)
    if hashlib.sha256(gxmpi).digest() != hashed:
        return "handshake.gx-hash-not-verified"
    layer = parse_gxmpi(gxmpi)
    if any(one.code in ("missing", "short") for one in layer.problems):
        return "handshake.gx-encoding-not-checked"  # the rest is left open [readings ARMOUR-TRAILING, TYPES-MPI-ZEROS]
    value = layer.value("gx")
    return "" if isinstance(value, int) and in_group(value) else "handshake.gx-range-not-checked"
