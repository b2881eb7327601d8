"""Searching what a party has in memory for secrets that it must have forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from otterproof.harness import wire
from otterproof.harness.judges.oracles.base import Oracle
from otterproof.harness.judges.oracles.observation import Observation
from otterproof.harness.judges.oracles.reading import Reader
from otterproof.harness.targets.party import ShowsSecrets
from otterproof.harness.wire.numbers import power
from otterproof.implementations.contract import AuthState, PartySnapshot, RatchetSnapshot, SessionSnapshot, SmpState

#: What a source of randomness has given so far, by label and index.
Drawn = Callable[[], Mapping[tuple[str, int], bytes]]

#: The sizes in bytes of a D-H exponent of 320 bits, with leading zeros or without.
_EXPONENT = range(32, 41)

#: Entropy labels of what must be forgotten when an SMP run ends, and when a handshake ends.
_SMP_SECRETS = frozenset({"smp.a2", "smp.a3", "smp.b2", "smp.b3"})
_HANDSHAKE_SECRETS = frozenset({"ake.r"})


def public_value(exponent: bytes) -> int:
    """g to the power of a secret that has the size of a D-H exponent."""
    return power(wire.DH_GENERATOR, int.from_bytes(exponent))


class Forgetting(Oracle):
    """With what is in memory after rotation, earlier traffic can't be decrypted: old secrets are nowhere in it.

    Each step in which a D-H key is dropped, by rotation, by a new handshake or at an end, is followed by a search of
    all that the party holds. It looks for the exponent of a key of the party's own (unless the handshake with another
    client of the account, which has answered the same D-H Commit, still needs it), and for the shared secret, the AES
    keys and the sending MAC key of each pair that was in use (receiving MAC keys may wait to be revealed). While no SMP
    run is under way, no SMP exponent is held; while no handshake is under way, no AES key r is. These two are left out
    if the randomness drawn is not known.
    """

    id = "forgetting"
    fixed = frozenset({"_reader", "_drawn"})

    def __init__(self, reader: Reader, drawn: Mapping[str, Drawn] | None = None) -> None:
        super().__init__(reader)
        self._drawn = dict(drawn or {})
        # (party, public value) -> exponent, for keys that are or were held
        self._exponents: dict[tuple[str, int], bytes] = {}

    def observe(self, view: Observation) -> None:
        before, after = view.step.before, view.step.after
        party = self._reader.world.parties[view.party]
        if not isinstance(party, ShowsSecrets) or before is None or after is None or before == after:
            return
        secrets = party.secrets()
        for value in secrets.values():
            if len(value) in _EXPONENT:
                self._exponents[view.party, public_value(value)] = value
        memory = list(secrets.items())
        live = {key for session in after.sessions if session.ratchet for key in session.ratchet.our_keys.values()}
        for session in before.sessions:
            if session.ratchet is not None:
                now = view.session(session.instance)
                # A commit answered by several clients has one D-H key, which may be the first key of one session while
                # the handshake of another session still waits for the Signature Message with it.
                others = any(one.auth_state is AuthState.AWAITING_SIG for one in after.sessions)
                waiting = set(session.ratchet.our_keys.values()) & self._committed(view) if others else set()
                self._search(view, memory, live, waiting, session.ratchet, self._same(session, now))
        self._search_drawn(view, memory, after)

    def _committed(self, view: Observation) -> set[int]:
        """The public values of the keys in the D-H Commits that the party has sent, as far as known."""
        source = self._drawn.get(view.party)
        drawn = source() if source is not None else {}
        return {public_value(value) for (label, _), value in drawn.items() if label == "ake.x"}

    @staticmethod
    def _same(before: SessionSnapshot, after: SessionSnapshot | None) -> RatchetSnapshot | None:
        """The ratchet after the step, if it belongs to the same session."""
        return after.ratchet if after is not None and after.ssid == before.ssid else None

    def _search(
        self,
        view: Observation,
        memory: list[tuple[str, bytes]],
        live: set[int],
        waiting: set[int],
        old: RatchetSnapshot,
        new: RatchetSnapshot | None,
    ) -> None:
        ours = new.our_keys if new else {}
        theirs = new.their_keys if new else {}
        for keyid, public in old.our_keys.items():
            exponent = self._exponents.get((view.party, public))
            if keyid not in ours and public not in live | waiting and exponent is not None:
                what = f"the exponent of the party's key {keyid}, which is dropped"
                self._absent("forgetting.own-key-kept", view, memory, exponent, what)
        for pair in {*old.sent, *old.received, *old.verified}:
            if pair[0] in ours and pair[1] in theirs:
                continue
            exponent = self._exponents.get((view.party, old.our_keys[pair[0]]))
            if exponent is None:
                continue
            secret = power(old.their_keys[pair[1]], int.from_bytes(exponent))
            keys = wire.crypto.session_keys(old.our_keys[pair[0]], old.their_keys[pair[1]], secret)
            gone = {
                "shared secret": secret.to_bytes((secret.bit_length() + 7) // 8),
                "sending AES key": keys.sending_aes,
                "receiving AES key": keys.receiving_aes,
                "sending MAC key": keys.sending_mac,
                "extra symmetric key": keys.extra_key,
            }
            for name, value in gone.items():
                what = f"the {name} of key ids {pair[0]} and {pair[1]}, a pair that is dropped"
                self._absent("forgetting.session-keys-kept", view, memory, value, what)

    def _search_drawn(self, view: Observation, memory: list[tuple[str, bytes]], after: PartySnapshot) -> None:
        source = self._drawn.get(view.party)
        if source is None:
            return
        labels: set[str] = set()
        if all(one.smp_state is SmpState.EXPECT1 and not one.smp_question_waiting for one in after.sessions):
            labels |= _SMP_SECRETS
        if not after.announced and all(one.auth_state is AuthState.NONE for one in after.sessions):
            labels |= _HANDSHAKE_SECRETS
        held = {value.lstrip(b"\0") for _, value in memory}
        for (label, index), value in source().items():
            if label in labels and value.lstrip(b"\0") in held:
                check_id = "forgetting.smp-exponent-kept" if label in _SMP_SECRETS else "forgetting.commit-key-kept"
                self.fail(check_id, view, expected="it is not in memory", got=f"value {index} drawn for {label}")

    def _absent(
        self, check_id: str, view: Observation, memory: Iterable[tuple[str, bytes]], secret: bytes, what: str
    ) -> None:
        for name, value in memory:
            if secret in value:
                self.fail(check_id, view, expected=f"{what}, is not in memory", got=f"it is there, in {name}")
