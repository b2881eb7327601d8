"""A handshake between an insider and any client: the script that all who face a client with an insider follow.

The script makes the insider's messages, hands them to the client, and keeps what the client answers, for the messages
that follow from it. It does not hand over the insider's last message, because what becomes of that is what its callers
judge: a scenario, the author of a vector, the comparison of two engines.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, TypeAlias

from otterproof.harness.testkit.insider import HONEST_SIGNATURE, Insider, SignatureOptions
from otterproof.harness.wire import Kind

#: Hands a message to the client, which must answer with one message of that kind; the answer.
Exchange: TypeAlias = Callable[[bytes, Kind], bytes]


class ScriptedHandshake:
    """An insider and the client that it faces.

    heard: the client's messages by their kinds, the latest of each. Who goes on later with another object passes it on.
    """

    def __init__(self, insider: Insider, exchange: Exchange, heard: MutableMapping[str, Any] | None = None) -> None:
        self.insider = insider
        self.heard: MutableMapping[str, Any] = {} if heard is None else heard
        self._exchange = exchange

    def _hear(self, message: bytes, kind: Kind) -> bytes:
        self.heard[kind] = answer = self._exchange(message, kind)
        return answer

    # ---- the insider begins -----------------------------------------------------------------------------------------

    def commit(self) -> bytes:
        """The insider commits; the client's D-H Key Message."""
        return self._hear(self.insider.commit(), Kind.DH_KEY)

    def reveal_signature(self, signed: SignatureOptions = HONEST_SIGNATURE) -> bytes:
        """The insider's answer to the client's D-H Key Message."""
        return self.insider.reveal_signature(self.heard[Kind.DH_KEY], signed)

    def by_insider(self, signed: SignatureOptions = HONEST_SIGNATURE) -> bytes:
        """A handshake that the insider begins, up to its Reveal Signature Message, which is still to be given."""
        self.commit()
        return self.reveal_signature(signed)

    # ---- the client begins ------------------------------------------------------------------------------------------

    def query(self) -> bytes:
        """The client is asked for the insider's version; its D-H Commit Message."""
        return self._hear(b"?OTRv%d?" % self.insider.version, Kind.DH_COMMIT)

    def dh_key(self) -> bytes:
        """The insider answers the commit; the client's Reveal Signature Message."""
        return self._hear(self.insider.dh_key(), Kind.REVEAL_SIGNATURE)

    def signature(self, signed: SignatureOptions = HONEST_SIGNATURE) -> bytes:
        """The insider's answer to the client's Reveal Signature Message."""
        gx = self.insider.decommit(self.heard[Kind.DH_COMMIT], self.heard[Kind.REVEAL_SIGNATURE])
        return self.insider.signature(gx, signed)

    def by_client(self, signed: SignatureOptions = HONEST_SIGNATURE) -> bytes:
        """A handshake that the client begins, up to the insider's Signature Message, which is still to be given."""
        self.query()
        self.dh_key()
        return self.signature(signed)
