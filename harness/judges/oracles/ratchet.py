"""The oracles for key ids, counters and the revealing of MAC keys, judged by the wire and the snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from otterproof.harness import wire
from otterproof.harness.judges.mac_ledger import KeyPair, MacLedger
from otterproof.harness.judges.oracles.base import Impact, Oracle
from otterproof.harness.judges.oracles.observation import MAC_WAS_RIGHT, Observation, Sent, session_of
from otterproof.harness.judges.oracles.reading import Reader
from otterproof.harness.simulation.insider import NEXT_KEY
from otterproof.harness.wire import Kind, Message
from otterproof.harness.wire.layouts import MAC_SIZE
from otterproof.harness.wire.numbers import in_group
from otterproof.implementations.contract import PeerEndedSession, RatchetSnapshot, SessionEstablished, UserEndedSession

#: The ledger of a session; a message that a MAC key verified represents the key.
Ledger: TypeAlias = MacLedger[Message]

#: The ledger of a session in which nothing was verified yet.
_EMPTY = Ledger()


def _pair(message: Message) -> KeyPair:
    """The pair of keys of a received data message."""
    sender, recipient = message.key_ids
    return recipient, sender


def _ids(pair: KeyPair) -> str:
    return f"key ids {pair[0]} and {pair[1]}"


def _pairs(pairs: Iterable[KeyPair]) -> str:
    return "; ".join(map(_ids, sorted(pairs))) or "no pair of keys"


def _rotated(view: Observation, instance: int, old: RatchetSnapshot) -> KeyPair:
    """our_keyid and their_keyid of a session after the message accepted in a step, if any."""
    if view.message is None or not view.accepted or view.instance != instance:
        return old.our_keyid, old.their_keyid
    ours, theirs = _pair(view.message)
    return old.our_keyid + (ours == old.our_keyid), old.their_keyid + (theirs == old.their_keyid)


class KeyIds(Oracle):
    """Key ids start above 0 and rise by one; the next D-H key is the announced one; old keys are dropped at once.

    On the wire, each id is the same as in the message before or one higher. All messages with one sender key id
    announce the same next_dh, which is in [2, p-2] and is announced for no other id. In the snapshots, our two latest
    keys are live and no others, and of the peer's keys the latest and at most the one before. An id rises exactly when
    an accepted data message names our latest key, or is sent under the peer's latest key. The peer's new key is the one
    announced in that message, and the peer holds it under the same id.
    """

    id = "key-ids"
    impact = Impact.CONFIDENTIALITY
    one_sided = False

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        # (party, ssid, key id) -> public value, for the party's own keys
        self._announced: dict[tuple[str, bytes, int], int] = {}
        self._values: dict[tuple[bytes, int], tuple[str, int]] = {}
        self._latest: dict[tuple[str, bytes], KeyPair] = {}
        # (party, ssid) -> the ratchet that was judged last, and how many keys had been announced by then.
        self._judged: dict[tuple[str, bytes], tuple[RatchetSnapshot, int]] = {}
        # For each party, how many keys had been announced when all its ratchets were judged last.
        self._counts: dict[str, int] = {}

    def observe(self, view: Observation) -> None:
        for one in view.data_sent:
            self._wire(view, one)
        if view.crafted is not None and view.accepted and not view.foreign and view.message is not None:
            value = view.message.number("next_dh")
            if not in_group(value):
                expected = "the message is refused"
                self.fail(NEXT_KEY, view, expected=expected, got=view.step.events)
        after, before = view.step.after, view.step.before
        if after is None or before is None:
            return
        if view.same_sessions and not view.accepted and self._counts.get(view.party) == len(self._values):
            return
        for session in after.sessions:
            if session.ratchet is None:
                continue
            # The same ratchet is judged again only after more keys have been announced, perhaps by the other side.
            where, ratchet = (view.party, session.ssid), session.ratchet
            judged, announced = self._judged.get(where, (None, 0))
            if judged is not ratchet:
                if view.under_test:
                    self._held(view, ratchet)
                if judged is None or judged.our_keys != ratchet.our_keys:
                    for keyid, value in ratchet.our_keys.items():
                        self._announce(view, session.ssid, keyid, value)
            if judged is not ratchet or announced != len(self._values):
                self._sides(view, session.ssid, ratchet)
                self._judged[where] = (ratchet, len(self._values))
            earlier = view.session(session.instance, after=False) if view.under_test else None
            if earlier is not None and earlier.ssid == session.ssid and earlier.ratchet is not None:
                self._rotation(view, session.instance, earlier.ratchet, ratchet)
        self._counts[view.party] = len(self._values)

    def _wire(self, view: Observation, one: Sent) -> None:
        message, ssid = one.message, one.link.name
        ids = message.key_ids
        last = self._latest.get((view.party, ssid), ids)
        # An insider can use a key before it is acknowledged, so the id may rise by more than one between two messages.
        most = ids[1] if self._reader.renumbered(ssid) else last[1] + 1
        if ids[0] - last[0] not in (0, 1) or not last[1] <= ids[1] <= most:
            expected = f"{_ids(last)} as in the message before, or one more"
            self.fail("key-ids.not-rising-by-one", view, expected=expected, got=_ids(ids))
        self._latest[view.party, ssid] = ids
        self._announce(view, ssid, ids[0] + 1, message.number("next_dh"))
        due = self._sending_pair(view, one.instance)
        if due is not None and ids != due:
            self.fail("key-ids.wrong-sending-pair", view, expected=_ids(due), got=_ids(ids))

    def _sending_pair(self, view: Observation, instance: int) -> KeyPair | None:
        """The key ids under which a session sends in this step, which may end it; None if unknown."""
        now, before = view.session(instance), view.session(instance, after=False)
        if now is not None and now.ratchet is not None:
            ours, theirs = now.ratchet.our_keyid, now.ratchet.their_keyid
        elif before is not None and before.ratchet is not None:
            ours, theirs = _rotated(view, instance, before.ratchet)
        else:
            return None
        return ours - 1, theirs

    def _announce(self, view: Observation, ssid: bytes, keyid: int, value: int) -> None:
        """Judge a key that a party presents as its own."""
        if not in_group(value):
            expected = f"a public value from 2 to p-2 for key id {keyid}"
            self.fail("key-ids.public-value-out-of-range", view, expected=expected, got=f"{value:#x}")
        known = self._announced.setdefault((view.party, ssid, keyid), value)
        if known != value:
            expected = f"{known:#x} for key id {keyid}, as before"
            self.fail("key-ids.announced-key-changed", view, expected=expected, got=f"{value:#x}")
        owner = self._values.setdefault((ssid, value), (view.party, keyid))
        if owner != (view.party, keyid):
            got = f"key {owner[1]} of {owner[0]} again"
            self.fail("key-ids.key-reused", view, expected=f"a new key {keyid} of {view.party}", got=got)

    def _held(self, view: Observation, ratchet: RatchetSnapshot) -> None:
        """Judge which keys a party holds, and for which pairs it keeps anything."""
        ours, theirs = set(ratchet.our_keys), set(ratchet.their_keys)
        current = ratchet.their_keyid
        if ours != {ratchet.our_keyid, ratchet.our_keyid - 1} or 0 in ours:
            expected = f"{ratchet.our_keyid - 1} and {ratchet.our_keyid}"
            self.fail("key-ids.wrong-own-keys-held", view, expected=expected, got=sorted(ours))
        if not {current} <= theirs <= {current, current - 1} or 0 in theirs:
            expected = f"{current}, and at most the one before"
            self.fail("key-ids.wrong-peer-keys-held", view, expected=expected, got=sorted(theirs))
        pairs = {*ratchet.sent, *ratchet.received, *ratchet.verified}
        if any(pair[0] not in ours or pair[1] not in theirs for pair in pairs):
            dead = sorted(pair for pair in pairs if pair[0] not in ours or pair[1] not in theirs)
            expected = "nothing is kept of pairs whose keys are dropped"
            self.fail("key-ids.dead-pair-kept", view, expected=expected, got=_pairs(dead))

    def _sides(self, view: Observation, ssid: bytes, ratchet: RatchetSnapshot) -> None:
        """Judge whether the peer holds its keys under the same ids."""
        for keyid, value in ratchet.their_keys.items():
            owner = self._values.get((ssid, value))
            if owner is not None and owner[1] != keyid and not self._reader.renumbered(ssid):
                expected = f"key id {owner[1]}, under which {owner[0]} holds it"
                self.fail("key-ids.sides-differ", view, expected=expected, got=f"key id {keyid}")

    def _rotation(self, view: Observation, instance: int, old: RatchetSnapshot, new: RatchetSnapshot) -> None:
        if old is new and not view.accepted:
            return
        message = view.message
        expected = _rotated(view, instance, old)
        theirs = expected[1] > old.their_keyid
        if (new.our_keyid, new.their_keyid) != expected:
            got = f"our_keyid {new.our_keyid} and their_keyid {new.their_keyid}"
            right = f"our_keyid {expected[0]} and their_keyid {expected[1]}"
            self.fail("key-ids.wrong-rotation", view, expected=right, got=got)
        if theirs and message is not None and new.their_keys[new.their_keyid] != message.number("next_dh"):
            right = f"next_dh of the message, {message.number('next_dh'):#x}"
            got = f"{new.their_keys[new.their_keyid]:#x}"
            self.fail("key-ids.announced-key-not-stored", view, expected=right, got=got)
        pairs = ((old.our_keys, new.our_keys), (old.their_keys, new.their_keys))
        for was, now in pairs:
            for keyid, key in was.items():
                if now.get(keyid, key) != key:
                    expected_key, got = f"{key:#x} for key id {keyid}, as before", f"{now[keyid]:#x}"
                    self.fail("key-ids.held-key-changed", view, expected=expected_key, got=got)


class Counters(Oracle):
    """The top half of the counter rises with every message under the same two key ids.

    This is judged on the wire, for each session and direction. The snapshots show the last counter sent, and the last
    one accepted.
    """

    id = "counters"
    impact = Impact.CONFIDENTIALITY

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self._sent: dict[tuple[str, bytes, KeyPair], int] = {}
        self._received: dict[tuple[str, bytes, KeyPair], int] = {}

    def observe(self, view: Observation) -> None:
        sent = view.data_sent
        for one in sent:
            pair = one.message.key_ids
            counter, where = int.from_bytes(one.message.data("ctr")), (view.party, one.link.name, pair)
            last = self._sent.get(where, 0)
            if counter <= last:
                self.fail("counters.not-higher", view, expected=f"above {last}, under {_ids(pair)}", got=counter)
            self._sent[where] = counter
        if view.accepted and view.message is not None:
            where = (view.party, view.link.name, _pair(view.message))
            self._received[where] = int.from_bytes(view.message.data("ctr"))
        elif view.settled and not sent:
            return
        for session in view.step.after.sessions if view.step.after else ():
            if session.ratchet is not None:
                ssid, ratchet = session.ssid, session.ratchet
                self._remembered("counters.wrong-last-sent", view, ssid, ratchet.sent, self._sent)
                self._remembered("counters.wrong-last-received", view, ssid, ratchet.received, self._received)

    def _remembered(
        self,
        check_id: str,
        view: Observation,
        ssid: bytes,
        kept: Mapping[KeyPair, int],
        seen: Mapping[tuple[str, bytes, KeyPair], int],
    ) -> None:
        for pair, counter in kept.items():
            last = seen.get((view.party, ssid, pair))
            if last != counter:
                expected = f"{'none' if last is None else last} under {_ids(pair)}"
                self.fail(check_id, view, expected=expected, got=counter)


class Revelation(Oracle):
    """A receiving MAC key that verified something is revealed exactly once, in the next data message after its key pair
    is dropped, and never while it could still verify anything.

    The received messages determine which pairs verified one, and when their keys were dropped, by rotation, by a new
    handshake or at an end. A data message reveals exactly the keys owed at that moment, and each revealed key really
    verifies a message that was received under its pair. Keys that verified nothing stay secret. The message that ends a
    session reveals all remaining keys. The snapshots show as many pending keys as are owed.
    """

    id = "mac-revelation"
    impact = Impact.DENIABILITY

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self._ledgers: dict[tuple[str, int], Ledger] = {}
        self._revealed: set[tuple[str, bytes]] = set()
        # For foreign parties: all data messages received, with the number of the session and whether it was accepted.
        self._received: dict[tuple[str, int], tuple[tuple[int, bool, Message], ...]] = {}

    def observe(self, view: Observation) -> None:
        where = (view.party, view.instance)
        message = view.message
        if view.foreign:
            self._foreign(view)
            return
        if message is not None and view.is_data and view.link.encrypted:
            ledger = self._ledgers.get(where, _EMPTY)
            if view.accepted or view.refusal in MAC_WAS_RIGHT:
                ledger = ledger.verified(_pair(message), message)
            self._ledgers[where] = ledger.accepted(_pair(message)) if view.accepted else ledger
        for one in view.observed:
            if isinstance(one, SessionEstablished):
                owed = self._ledgers.get((view.party, session_of(one)), _EMPTY).dropped().owed
                self._ledgers[view.party, session_of(one)] = self._begin(view, session_of(one), owed)
            elif isinstance(one, (PeerEndedSession, UserEndedSession)):
                ledger = self._ledgers.get((view.party, session_of(one)), _EMPTY)
                self._ledgers[view.party, session_of(one)] = ledger.dropped()
            elif isinstance(one, Sent) and one.message.kind is Kind.DATA:
                self._judge(view, one)
        if not (view.settled and not view.changes and not view.is_data and not view.data_sent):
            self._judge_state(view)

    # Parties that show nothing of their state

    def _foreign(self, view: Observation) -> None:
        """Judge by the wire: sent key ids show which key pairs are live, and shown texts which MACs were verified.

        Keys that verified nothing may be revealed; the text only says that they need not be.
        """
        message = view.message
        if message is not None and view.is_data and view.link.encrypted and not message.problems:
            where = (view.party, view.instance)
            self._received[where] = (*self._received.get(where, ()), (view.link.number, view.accepted, message))
        for one in view.sent:
            if one.message.kind is Kind.DATA and not one.message.problems:
                self._judge_foreign(view, one)

    def _judge_foreign(self, view: Observation, one: Sent) -> None:
        where, ending = (view.party, one.instance), view.step.action == "end"
        keys = one.message.revealed_mac_keys()
        ours, theirs = one.message.key_ids
        left: list[tuple[int, bool, Message]] = []
        known = {key for party, key in self._revealed if party == view.party}
        for number, accepted, message in self._received.get(where, ()):
            pair = _pair(message)
            live = number == one.link.number and pair[0] >= ours and pair[1] >= theirs - 1 and not ending
            proof = next((key for key in keys if wire.crypto.verifies(message, key)), None)
            # A message that was not accepted may be late, and belong to an earlier session.
            if proof is not None and live and accepted:
                expected = f"not the MAC key of {_ids(pair)}, which still verifies messages"
                self.fail("mac-revelation.key-still-in-use", view, expected=expected, got=proof)
            if proof is not None or any(wire.crypto.verifies(message, key) for key in known):
                continue
            if live or ending or not accepted:
                left.append((number, accepted, message))
                continue
            when = "by rotation" if number == one.link.number else "by a new handshake or an end"
            expected = f"the MAC key of {_ids(pair)}, which are dropped {when}"
            self.fail("mac-revelation.not-revealed", view, expected=expected, got=keys)
        for key in keys:
            if (view.party, key) in self._revealed:
                self.fail("mac-revelation.revealed-twice", view, expected="only keys not revealed before", got=key)
            self._revealed.add((view.party, key))
        self._received[where] = tuple(left)

    def _begin(self, view: Observation, instance: int, owed: tuple[Message, ...]) -> Ledger:
        # The handshake carries their key id encrypted. It is 1 unless keys were kept, which only a snapshot shows.
        session = view.session(instance)
        ratchet = session.ratchet if session else None
        ids = (ratchet.our_keyid, ratchet.their_keyid) if ratchet else (2, 1)
        return Ledger(*ids, owed=owed)

    def _judge(self, view: Observation, one: Sent) -> None:
        where = (view.party, one.instance)
        ledger = self._ledgers.get(where, _EMPTY)
        if view.step.action == "end":
            ledger = ledger.dropped()
        keys = one.message.revealed_mac_keys()
        owed = list(ledger.owed)
        for key in keys:
            if (view.party, key) in self._revealed:
                self.fail("mac-revelation.revealed-twice", view, expected="only keys not revealed before", got=key)
            self._revealed.add((view.party, key))
            proof = next(
                (message for message in owed if len(key) == MAC_SIZE and wire.crypto.verifies(message, key)), None
            )
            if proof is None:
                if self._verifies_live(ledger, key):
                    expected = "no MAC key that still verifies messages"
                    self.fail("mac-revelation.key-still-in-use", view, expected=expected, got=key)
                expected = "only MAC keys that verified a message and are to be revealed"
                self.fail("mac-revelation.wrong-key-revealed", view, expected=expected, got=key)
            owed.remove(proof)
        if owed:
            expected = f"the MAC keys of {_pairs([_pair(message) for message in owed])}"
            self.fail("mac-revelation.not-revealed", view, expected=expected, got=keys)
        self._ledgers[where] = ledger.paid()

    def _verifies_live(self, ledger: Ledger, key: bytes) -> bool:
        return len(key) == MAC_SIZE and any(wire.crypto.verifies(message, key) for message in ledger.live.values())

    def _judge_state(self, view: Observation) -> None:
        party = view.step.after
        if party is None:
            return
        known = {session.instance for session in party.sessions}
        for instance in [number for name, number in self._ledgers if name == view.party and number not in known]:
            del self._ledgers[view.party, instance]  # the session was forgotten to make room for another
        for session in party.sessions:
            ledger = self._ledgers.get((view.party, session.instance), _EMPTY)
            if len(session.pending_mac_keys) != len(ledger.owed):
                expected, got = (f"{count} MAC keys" for count in (len(ledger.owed), len(session.pending_mac_keys)))
                self.fail("mac-revelation.wrong-keys-collected", view, expected=expected, got=got)
            if session.ratchet is not None and session.ratchet.verified != set(ledger.live):
                expected, got = _pairs(ledger.live), _pairs(session.ratchet.verified)
                self.fail("mac-revelation.wrong-pairs-noted", view, expected=expected, got=got)
