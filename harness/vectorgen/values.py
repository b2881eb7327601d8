"""The intermediate values of a conversation, which show where another computation departs from it.

They are computed from a party's random draws and visible state, with the functions of the generating engine. Names say
where a value belongs. Numbers are big-endian without leading zeros.
"""

from __future__ import annotations

from collections.abc import Mapping

from otterproof.harness.vectorgen.answerers.base import Tools
from otterproof.harness.vectorgen.play_builder import ClaimError
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import Event, PartySnapshot, RatchetSnapshot, SessionEstablished
from otterproof.implementations.entropy import RecordingEntropy

#: The labels of D-H exponents.
_EXPONENTS = ("ake.x", "ake.y", "dh.x")


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8)


class Watcher:
    """Observes one party of a conversation after each of its steps."""

    def __init__(self, tools: Tools, entropy: RecordingEntropy, fingerprint: bytes) -> None:
        self.values: dict[str, bytes] = {}
        self._tools = tools
        self._entropy = entropy
        self._fingerprint = fingerprint
        self._private: dict[int, bytes] = {}
        self._handshakes = 0
        self._runs = 0
        self._done: set[tuple[int, int]] = set()

    def look(
        self,
        action: str,
        args: Mapping[str, object],
        events: tuple[Event, ...],
        before: PartySnapshot,
        after: PartySnapshot,
    ) -> None:
        """Record the effects of a step."""
        for event in events:
            if isinstance(event, SessionEstablished):
                self._established(event, after)
        for session in after.sessions:
            if session.ratchet is not None:
                self._pairs(session.ratchet)
        secret = args.get("secret")
        if action in ("smp_start", "smp_answer") and isinstance(secret, bytes):
            self._smp(action == "smp_start", secret, before)

    def _exponent(self, public: int) -> bytes:
        """Our exponent for a public key."""
        for (label, _), value in self._entropy.drawn.items():
            if label in _EXPONENTS and value not in self._private.values():
                self._private[self._tools.exchange(value, 2)[0]] = value
        return self._private[public]

    def _established(self, event: SessionEstablished, after: PartySnapshot) -> None:
        session = next(one for one in after.sessions if one.instance == event.instance)
        if session.ratchet is None:
            return  # it ended in the same step
        self._handshakes += 1
        self._done.clear()
        ratchet = session.ratchet
        theirs = ratchet.their_keys[min(ratchet.their_keys)]
        _, s = self._tools.exchange(self._exponent(ratchet.our_keys[1]), theirs)
        keys = self._tools.handshake_keys(s)
        if keys["ssid"] != event.ssid:
            told = shown(event.ssid)
            raise ClaimError(f"the ssid is {told}, and {keys['ssid'].hex()} by the values of the handshake")
        self.values |= {f"handshake {self._handshakes} {name}": value for name, value in keys.items()}

    def _pairs(self, ratchet: RatchetSnapshot) -> None:
        for ours, our_public in sorted(ratchet.our_keys.items()):
            for theirs, their_public in sorted(ratchet.their_keys.items()):
                if (ours, theirs) in self._done:
                    continue
                self._done.add((ours, theirs))
                keys = self._tools.session_keys(self._exponent(our_public), their_public)
                where = f"keys {self._handshakes}:{ours},{theirs}"
                self.values[f"{where} s"] = _bytes(keys["s"])
                for name in ("sending_aes", "sending_mac", "receiving_aes", "receiving_mac", "extra_key"):
                    self.values[f"{where} {name}"] = keys[name]

    def _smp(self, begins: bool, secret: bytes, before: PartySnapshot) -> None:
        session = next((one for one in before.sessions if one.instance == before.focus and one.ratchet), None)
        if session is None:
            return
        self._runs += 1
        sides = (self._fingerprint, session.fingerprint)
        initiator, responder = sides if begins else sides[::-1]
        number = self._tools.smp_secret(initiator, responder, session.ssid, secret)
        self.values[f"smp {self._runs} secret"] = _bytes(number)
