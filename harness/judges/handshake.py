"""What must be refused in a handshake, as far as bytes on the wire show it: D-H values, and commits that do not open.

Who made a message makes no difference here. What only its sender's keys show is known of an insider's message alone.
[otterproof.harness.simulation.handshake_insider]
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from otterproof.harness.wire import Kind, Message, crypto
from otterproof.harness.wire.layers import parse_gxmpi
from otterproof.harness.wire.numbers import in_group

#: The checks that a party fails if it answers a g^y that is out of range, and if it does not use a key id as it came.
GY_RANGE, KEY_ID = "handshake.gy-range-not-checked", "handshake.key-id-not-used"

#: What a commit commits to: the encrypted g^x, and its hash.
Commitment = tuple[bytes, bytes]

#: So many commits of a session are remembered; any of them may be the one that a revealed key is for.
REMEMBERED = 200

#: The bytes of a revealed key, and of the hash of g^x.
_KEY, _HASH = 16, 32


def commitment(message: Message) -> Commitment | None:
    """What a message commits to; None if it is no commit, or is cut short."""
    if message.kind is not Kind.DH_COMMIT or not message.has("encrypted_gx") or not message.has("hashed_gx"):
        return None
    return message.data("encrypted_gx"), message.data("hashed_gx")


def wrongly_revealed(commits: Sequence[Commitment], reveal: Message) -> str:
    """The check that a party fails if it accepts a Reveal Signature Message after some commits; "" if it fails none.

    One of the commits has to open to a g^x that is in range. Of several that do not, the last one counts.
    """
    if not reveal.has("revealed_key"):
        return ""
    key = reveal.data("revealed_key")
    if len(key) != _KEY:
        return "handshake.revealed-key-size-not-checked"
    wrong = [_wrong(one, key) for one in commits]
    return wrong[-1] if wrong and all(wrong) else ""


def _wrong(commit: Commitment, key: bytes) -> str:
    """The check that is failed by who opens a commit with a key and goes on; "" if none is."""
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
