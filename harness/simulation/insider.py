"""The insider: an attacker who knows a party's keys, and sends in place of its message what it should never send.

The party itself takes no part in this and does not know of it: it has sent its own message, and goes on as if that had
arrived. Oracles look up what the insider made of it, because a receiver that accepts it does nothing wrong by that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from otterproof.harness.simulation.handshake_insider import (
    CraftedHandshake,
    Known,
    crafted_handshake,
    exponent_of,
    name_of,
)
from otterproof.harness.simulation.moves import Craft
from otterproof.harness.targets.party import Party, ShowsSecrets, shows_secrets, state_of
from otterproof.harness.wire import Kind, Message, crypto, parse_once
from otterproof.harness.wire.craft import MAC, KeysOf, altered, with_wrong_mac
from otterproof.harness.wire.craft_smp import SMP_TYPES, Lie, smp_lie
from otterproof.harness.wire.layers import Tlv, parse_plaintext
from otterproof.harness.wire.numbers import power
from otterproof.implementations.contract import RatchetSnapshot

#: The check that an engine fails, in random runs and in scenarios, if it accepts a next key that is out of range.
NEXT_KEY = "keys.next-key-out-of-range"


@dataclass(frozen=True, slots=True)
class Crafted:
    """A message of an insider. name: as `authenticated` gives it. instead_of: the name of the sender's own message.

    ssid: of the session that it belongs to. text, tlvs: its content. smp: whether an SMP TLV was changed or added.
    renumbered: whether the two sides may differ on keys and counters once it was accepted. lie: the type of an SMP
    message in it that must be refused, and why, if nothing else is wrong.
    """

    raw: bytes
    name: bytes
    instead_of: bytes
    sender: str
    ssid: bytes
    text: bytes
    tlvs: tuple[Tlv, ...]
    smp: bool
    renumbered: bool
    lie: tuple[int, Lie] | None

    def after(self, earlier: object) -> Crafted:
        """The same, if it was made from an earlier message of an insider."""
        if not isinstance(earlier, Crafted):
            return self
        return replace(
            self,
            instead_of=earlier.instead_of,
            smp=self.smp or earlier.smp,
            lie=None,
            renumbered=self.renumbered or earlier.renumbered,
        )


def crafted(
    raw: bytes, move: Craft, senders: Sequence[tuple[str, Party]], known: Known
) -> Crafted | CraftedHandshake | bytes | None:
    """What an insider makes of a message under way; None if it can't. senders: the parties that may have sent it.

    Bytes are a message with a wrong MAC, which has no valid sender.
    """
    message = parse_once(raw)
    if message.problems:
        return None
    if message.kind is not Kind.DATA:
        return crafted_handshake(message, move, senders, known)
    instance = message.number("receiver_tag") if message.has("receiver_tag") else 0
    for name, party in senders:
        state = state_of(party)
        session = next((one for one in state.sessions if one.instance == instance), None) if state else None
        if session is None or session.ratchet is None or not shows_secrets(party):
            continue
        keys_of = _keys_of(party, session.ratchet)
        if move.part == MAC:
            return with_wrong_mac(raw, keys_of, move.number, session.ssid)
        made = altered(raw, keys_of, move.part, move.number, move.value)
        if made is None:
            continue
        result, before = parse_plaintext(made.plaintext), parse_plaintext(made.original)
        of_smp = [[one for one in many.tlvs if one.type in {*SMP_TYPES, 6}] for many in (result, before)]
        return Crafted(
            made.raw,
            name_of(parse_once(made.raw)),
            name_of(message),
            name,
            session.ssid,
            result.text,
            result.tlvs,
            of_smp[0] != of_smp[1],
            made.renumbered,
            smp_lie(made.original, made.plaintext, message.version),
        )
    return None


def answers(party: Party, message: Message) -> tuple[Tlv, ...]:
    """The TLVs of a data message to a party whose keys are known; () if it can't be read."""
    state = state_of(party)
    instance = message.number("sender_tag") if message.has("sender_tag") else 0
    session = next((one for one in state.sessions if one.instance == instance), None) if state else None
    if session is None or session.ratchet is None or not shows_secrets(party) or message.problems:
        return ()
    keys = _keys_of(party, session.ratchet)(message.number("recipient_keyid"), message.number("sender_keyid"))
    return () if keys is None else parse_plaintext(crypto.decrypt_data(message, keys.receiving_aes)).tlvs


def _keys_of(party: ShowsSecrets, ratchet: RatchetSnapshot) -> KeysOf:
    def keys_of(sender: int, recipient: int) -> crypto.SessionKeys | None:
        ours, theirs = ratchet.our_keys.get(sender), ratchet.their_keys.get(recipient)
        if ours is None or theirs is None:
            return None
        exponent = exponent_of(party, ours, sender)
        return None if exponent is None else crypto.session_keys(ours, theirs, power(theirs, exponent))

    return keys_of
