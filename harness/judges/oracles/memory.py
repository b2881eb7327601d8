"""The oracle that searches a party's memory for secrets that it must have forgotten."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice, product
from typing import NamedTuple, NoReturn

from otterproof.harness import wire
from otterproof.harness.judges.oracles.base import Impact, Oracle
from otterproof.harness.judges.oracles.observation import Observation
from otterproof.harness.judges.oracles.reading import Reader
from otterproof.harness.targets.party import shows_secrets
from otterproof.harness.wire.numbers import power
from otterproof.implementations.contract import AuthState, PartySnapshot, RatchetSnapshot, SessionSnapshot, SmpState

#: Returns what a source of randomness has given so far, by label and index.
Drawn = Callable[[], Mapping[tuple[str, int], bytes]]

#: The sizes in bytes of a D-H exponent of 320 bits, with leading zeros or without.
_EXPONENT = range(32, 41)

#: The entropy labels of values that must be forgotten when an SMP run ends, and when a handshake ends.
_SMP_SECRETS = frozenset({"smp.a2", "smp.a3", "smp.b2", "smp.b3"})
_HANDSHAKE_SECRETS = frozenset({"ake.r"})
_NONE: frozenset[str] = frozenset()


def public_value(exponent: bytes) -> int:
    """g to the power of a secret that has the size of a D-H exponent."""
    return power(wire.DH_GENERATOR, int.from_bytes(exponent))


def _live(party: PartySnapshot) -> set[int]:
    """The D-H keys of a party's own in all its sessions, as public values."""
    return {key for one in party.sessions if one.ratchet is not None for key in one.ratchet.our_keys.values()}


@dataclass(frozen=True, slots=True)
class _Dropped:
    """What a party drops from a session in a step: public values of its own by their key ids, and pairs of keys.

    old: the ratchet of the session before the step.
    """

    old: RatchetSnapshot
    keys: Mapping[int, int]
    pairs: Collection[tuple[int, int]]


class _Secret(NamedTuple):
    """The shared secret of a pair of keys, computed with what is taken to be the exponent of one of them, `public`."""

    number: int
    exponent: bytes
    public: int

    def is_right(self) -> bool:
        """Whether it is the exponent of that key; to find that out takes as long as computing the secret."""
        return public_value(self.exponent) == self.public


class _Born(NamedTuple):
    """Keys, as public values, and values in memory that may be their exponents: those that were new at one moment."""

    keys: tuple[int, ...]
    values: tuple[bytes, ...]


class _Unsearched(NamedTuple):
    """The labels of values drawn by a party that it may still have in memory. drawn: how many were drawn in all."""

    labels: frozenset[str] = frozenset()
    drawn: int = 0


_ALL_SEARCHED = _Unsearched()


class _Memory:
    """What a party holds in memory: values by names that the party chooses."""

    def __init__(self, values: Mapping[str, bytes]) -> None:
        self._values = values
        # Almost no secret is ever found, and one search in all values joined is faster than many.
        self._whole = b"".join(values.values())

    def exponents(self) -> list[bytes]:
        """The values that may be D-H exponents, judging by their size."""
        return [value for value in self._values.values() if len(value) in _EXPONENT]

    def holder(self, secret: bytes) -> str | None:
        """The name of the first value that contains a secret; None if there is none."""
        if secret not in self._whole:
            return None
        return next((name for name, value in self._values.items() if secret in value), None)

    def numbers(self) -> set[bytes]:
        """All values, without leading zeros."""
        return {value.lstrip(b"\0") for value in self._values.values()}


class Forgetting(Oracle):
    """With what is in memory after rotation, earlier traffic can't be decrypted: old secrets are nowhere in it.

    After each step in which a D-H key is dropped, by rotation, by a new handshake or at an end, everything that the
    party holds is searched. The search looks for the exponent of a key of the party's own (unless the handshake with
    another client of the account, which has answered the same D-H Commit, still needs it). It also looks for the shared
    secret, the AES keys, the sending MAC key and the extra symmetric key of each pair that was in use (receiving MAC
    keys may wait to be revealed). While no SMP run is under way, no SMP exponent is held; while no handshake is under
    way, no AES key r is. These last two rules are left out if the drawn randomness is not known.

    The first run of a program in a campaign of `fuzz` looks for one key in eight and its pairs, always the same ones,
    as that takes long. All other runs, among them the one that confirms a failure, look for all keys.
    """

    id = "forgetting"
    impact = Impact.CONFIDENTIALITY
    fixed = frozenset({"_reader", "_drawn", "share"})

    def __init__(self, reader: Reader, drawn: Mapping[str, Drawn] | None = None) -> None:
        super().__init__(reader)
        self._drawn = dict(drawn or {})
        #: Of a party's own keys, one in so many is searched for when it is dropped, with its pairs.
        self.share = 1
        # _keys: the keys that parties hold or held, as public values. _candidates: every value that was in memory when
        # such a key was new and may be its exponent. _born: for each party, those whose public values are not known
        # yet, with the keys that were new at the same time. _exponents: the other candidates, by their public values.
        self._keys: set[tuple[str, int]] = set()
        self._candidates: set[tuple[str, bytes]] = set()
        self._born: dict[str, tuple[_Born, ...]] = {}
        self._exponents: dict[tuple[str, int], bytes] = {}
        # The public values of a pair of keys -> their shared secret, which is the same for both sides.
        self._shared: dict[frozenset[int], _Secret] = {}
        # For each party, the labels of values drawn since these labels were searched for last.
        self._unsearched: dict[str, _Unsearched] = {}

    def observe(self, view: Observation) -> None:
        before, after = view.step.before, view.step.after
        if before is None or after is None or before == after:
            return
        new: set[tuple[str, int]] = set()
        dropped: list[_Dropped] = []
        if not (view.settled and view.same_sessions):
            live = _live(after)
            new = {(view.party, public) for public in live if not public % self.share} - self._keys
            dropped = [one for session in before.sessions if (one := self._drop(view, session, live)) is not None]
        sought = self._to_search(view, after)
        if not new and not dropped and not sought:
            return
        party = self._reader.world.parties[view.party]
        if not shows_secrets(party):
            return
        memory = _Memory(party.secrets())
        if new:  # their exponents are in memory
            self._keys |= new
            self._note(view.party, (public for _, public in new), memory.exponents())
        # Several clients may answer one commit. Its D-H key may then be the first key of one session while the
        # handshake of another session still needs it, waiting for the Signature Message.
        others = dropped and any(one.auth_state is AuthState.AWAITING_SIG for one in after.sessions)
        waiting = self._committed(view) if others else set()
        for one in dropped:
            self._search(view, memory, waiting, one)
        if sought:
            self._search_drawn(view, memory, sought)

    def _note(self, party: str, keys: Iterable[int], values: Iterable[bytes]) -> None:
        """Remember new keys of a party, and values in its memory that may be their exponents."""
        new = dict.fromkeys(one for one in values if (party, one) not in self._candidates)
        self._candidates.update((party, one) for one in new)
        self._born[party] = (*self._born.get(party, ()), _Born(tuple(keys), tuple(new)))

    def _exponent(self, party: str, public: int) -> bytes | None:
        """The exponent of a party's key; None if it was not in memory. Values of the key's age are tried first.

        A key and a value are taken to belong together without that if no others of their age are left. That can be
        wrong if the key's exponent is older, or if only samples are judged: what is found by it has to be confirmed.
        """
        where = (party, public)
        groups = dict(enumerate(self._born.get(party, ())))
        for place in sorted(groups, key=lambda place: public not in groups[place].keys):
            group = groups[place]
            while group.values and where not in self._exponents:
                first, *others = group.values
                known = group.keys[0] if len(group.keys) == 1 and not others else public_value(first)
                self._exponents.setdefault((party, known), first)
                groups[place] = group = _Born(tuple(one for one in group.keys if one != known), tuple(others))
        self._born[party] = tuple(one for one in groups.values() if one.values)
        return self._exponents.get(where)

    def _committed(self, view: Observation) -> set[int]:
        """The public values in the D-H Commits that the party has sent, as far as known."""
        source = self._drawn.get(view.party)
        drawn = source() if source is not None else {}
        return {public_value(value) for (label, _), value in drawn.items() if label == "ake.x"}

    def _drop(self, view: Observation, before: SessionSnapshot, live: Collection[int]) -> _Dropped | None:
        """What a step drops from a session, None if nothing. live: keys that other sessions may need."""
        old, after = before.ratchet, view.session(before.instance)
        if old is None or after is before:
            return None
        new = after.ratchet if after is not None and after.ssid == before.ssid else None
        ours = new.our_keys if new else {}
        theirs = new.their_keys if new else {}
        if ours.keys() == old.our_keys.keys() and theirs.keys() == old.their_keys.keys():
            return None
        sampled = {keyid: key for keyid, key in old.our_keys.items() if not key % self.share}
        keys = {keyid: key for keyid, key in sampled.items() if keyid not in ours and key not in live}
        known = {*old.sent, *old.received, *old.verified} & set(product(sampled, old.their_keys))
        pairs = [pair for pair in known if pair[0] not in ours or pair[1] not in theirs]
        return _Dropped(old, keys, pairs) if keys or pairs else None

    def _may_be_held(self, view: Observation, memory: _Memory) -> bool:
        """Whether the exponent of a key that is not live may be in memory.

        The party holds the exponents of its live keys, so if there are no more candidates than these, there is no
        other one. That saves computing public values.
        """
        live = _live(view.step.after) if view.step.after is not None else set()
        held = [one for group in self._born.get(view.party, ()) for one in group.values if memory.holder(one)]
        return len(held) > sum((view.party, key) not in self._exponents for key in live)

    def _search(self, view: Observation, memory: _Memory, waiting: Collection[int], dropped: _Dropped) -> None:
        old = dropped.old
        may_be_held = self._may_be_held(view, memory)
        for keyid, public in dropped.keys.items():
            if public in waiting or not (may_be_held or (view.party, public) in self._exponents):
                continue
            exponent = self._exponent(view.party, public)
            holder = None if exponent is None else memory.holder(exponent)
            if holder is not None and exponent is not None and public_value(exponent) == public:
                what = f"the exponent of the party's key {keyid}, which is dropped"
                self._kept("forgetting.own-key-kept", view, what, holder)
        for pair in dropped.pairs:
            ours, theirs = old.our_keys[pair[0]], old.their_keys[pair[1]]
            secret = self._secret(view.party, ours, theirs)
            if secret is None:
                continue
            keys = wire.crypto.session_keys(ours, theirs, secret.number)
            gone = {
                "shared secret": secret.number.to_bytes((secret.number.bit_length() + 7) // 8),
                "sending AES key": keys.sending_aes,
                "receiving AES key": keys.receiving_aes,
                "sending MAC key": keys.sending_mac,
                "extra symmetric key": keys.extra_key,
            }
            for name, value in gone.items():
                holder = memory.holder(value)
                if holder is not None and secret.is_right():
                    what = f"the {name} of key ids {pair[0]} and {pair[1]}, a pair that is dropped"
                    self._kept("forgetting.session-keys-kept", view, what, holder)

    def _secret(self, party: str, ours: int, theirs: int) -> _Secret | None:
        """The shared secret of a pair of keys; None if no exponent is known."""
        both = frozenset({ours, theirs})
        if both not in self._shared:
            exponent = self._exponent(party, ours)
            if exponent is None:
                return None
            self._shared[both] = _Secret(power(theirs, int.from_bytes(exponent)), exponent, ours)
        return self._shared[both]

    def _to_search(self, view: Observation, after: PartySnapshot) -> frozenset[str]:
        """The labels of drawn values that must not be in memory, if any were drawn since the last search for them."""
        source = self._drawn.get(view.party)
        if source is None:
            return _NONE
        drawn, known = source(), self._unsearched.get(view.party, _ALL_SEARCHED)
        if len(drawn) != known.drawn:
            more = {label for label, _ in islice(drawn, known.drawn, None)} & (_SMP_SECRETS | _HANDSHAKE_SECRETS)
            known = self._unsearched[view.party] = _Unsearched(known.labels | more, len(drawn))
        if not known.labels:
            return _NONE
        smp, handshake = True, not after.announced
        for one in after.sessions:
            smp = smp and one.smp_state is SmpState.EXPECT1 and not one.smp_question_waiting
            handshake = handshake and one.auth_state is AuthState.NONE
        return known.labels & ((_SMP_SECRETS if smp else _NONE) | (_HANDSHAKE_SECRETS if handshake else _NONE))

    def _search_drawn(self, view: Observation, memory: _Memory, labels: frozenset[str]) -> None:
        held = memory.numbers()
        for (label, index), value in self._drawn[view.party]().items():
            if label in labels and value.lstrip(b"\0") in held:
                check_id = "forgetting.smp-exponent-kept" if label in _SMP_SECRETS else "forgetting.commit-key-kept"
                self.fail(check_id, view, expected="it is not in memory", got=f"value {index} drawn for {label}")
        known = self._unsearched[view.party]
        self._unsearched[view.party] = _Unsearched(known.labels - labels, known.drawn)

    def _kept(self, check_id: str, view: Observation, what: str, holder: str) -> NoReturn:
        self.fail(check_id, view, expected=f"{what}, is not in memory", got=f"it is there, in {holder}")
