"""A handshake between an insider and any client: the common script of all code that faces a client with an insider.

The script makes the insider's messages, delivers them to the client, and keeps the client's answers for the messages
that depend on them. It does not deliver the insider's last message, because its effect is what the callers judge: a
scenario, the author of a vector, the comparison of two engines.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, TypeAlias

from otterproof.harness.testkit.insider import HONEST_SIGNATURE, Insider, SignatureOptions
from otterproof.harness.wire import Kind

#: Delivers a message to the client, which must answer with one message of that kind; returns the answer.
Exchange: TypeAlias = Callable[[bytes, Kind], bytes]


class ScriptedHandshake:
    """An insider and the client that it faces.

    heard: the client's latest message of each kind. To continue with another object, pass it on.
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
        """The insider commits; returns the client's D-H Key Message."""
        return self._hear(self.insider.commit(), Kind.DH_KEY)

    def reveal_signature(self, signed: SignatureOptions = HONEST_SIGNATURE) -> bytes:
        """The insider's answer to the client's D-H Key Message."""
        return self.insider.reveal_signature(self.heard[Kind.DH_KEY], signed)

    def by_insider(self, signed: SignatureOptions = HONEST_SIGNATURE) -> bytes:
        """A handshake that the insider begins, up to its Reveal Signature Message, which is returned undelivered."""
        self.commit()
        return self.reveal_signature(signed)

    # ---- the client begins ------------------------------------------------------------------------------------------

    def query(self) -> bytes:
        """Query the client for the insider's version; returns its D-H Commit Message."""
        return self._hear(b"?OTRv%d?" % self.insider.version, Kind.DH_COMMIT)

    def dh_key(self) -> bytes:
        """The insider answers the commit; returns the client's Reveal Signature Message."""
        return self._hear(self.insider.dh_key(), Kind.REVEAL_SIGNATURE)

    def signature(self, signed: SignatureOptions = HONEST_SIGNATURE) -> bytes:
        """The insider's answer to the client's Reveal Signature Message."""
        gx = self.insider.decommit(self.heard[Kind.DH_COMMIT], self.heard[Kind.REVEAL_SIGNATURE])
        return self.insider.signature(gx, signed)

    def by_client(self, signed: SignatureOptions = HONEST_SIGNATURE) -> bytes:
        """A handshake that the client begins, up to the insider's Signature Message, which is returned undelivered."""
        self.query()
        self.dh_key()
        return self.signature(signed)
