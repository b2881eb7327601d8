"""The form of every sent message, as far as anybody on the network can see it without a key.

`Form` is the oracle of random runs; `FormWatch` judges the runs of scenarios in the same way, without a reader. What
only keys can show is judged where the insider reads it, in otterproof.harness.testkit. The oracles `fragments` and
`instance-tags` judge how a message is cut into fragments, and which of several clients it is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from otterproof.harness import wire
from otterproof.harness.judges.oracles.base import Impact, Oracle, OracleFailure
from otterproof.harness.judges.oracles.observation import Observation
from otterproof.harness.judges.oracles.reading import Reader, in_the_clear
from otterproof.harness.simulation.world import Step, World
from otterproof.harness.support.excused import is_excused
from otterproof.harness.wire import Kind, Message, Problem
from otterproof.harness.wire.numbers import in_group, public_key
from otterproof.harness.wire.shown import TITLES
from otterproof.implementations.contract import (
    MIN_INSTANCE_TAG,
    OutgoingMessage,
    PartyConfig,
    SessionEstablished,
)
from otterproof.implementations.values import quickly_made

#: The check for a message that does not have exactly its fields.
_FIELDS = {
    Kind.DH_COMMIT: "form.commit-malformed",
    Kind.DH_KEY: "form.dh-key-malformed",
    Kind.REVEAL_SIGNATURE: "form.reveal-signature-malformed",
    Kind.SIGNATURE: "form.signature-malformed",
    Kind.DATA: "form.data-malformed",
}

#: The field that holds a D-H public value, by kind.
_PUBLIC = {Kind.DH_KEY: "gy", Kind.DATA: "next_dh"}

#: Messages that answer a message of the same version.
_ANSWERS = frozenset({Kind.DH_KEY, Kind.REVEAL_SIGNATURE, Kind.SIGNATURE})

#: The last key id; the protocol text does not say what follows it. [KEYMGMT-NEXT-2]
_LAST_KEY_ID = 0xFFFFFFFF

#: The size in bytes of a signature block without the public key: the key id and the signature.
_KEY_ID_AND_SIGNATURE = 4 + 40

#: The size in bytes of version and type.
_HEADER = 3


class Wrong(NamedTuple):
    """What is wrong with a message."""

    check: str
    expected: object
    got: object


@quickly_made
@dataclass(frozen=True, slots=True)
class Sender:
    """What is known of the party that sends a message.

    tag: its instance tag, 0 if unknown. block: the size of its signature block, None if its key is unknown. versions:
    those of the sessions it has had. answered: what it received in this step, None after a user's action. typed: what
    its user typed in this step. used_up: a peer has used the last key id, so that there is no next one.
    """

    tag: int
    block: int | None
    versions: frozenset[int]
    answered: Message | None
    typed: bytes | None
    used_up: bool = False


class Form(Oracle):
    """Every sent message has the form that the protocol text gives it, to the last byte.

    Its armour is "?OTR:", base64 and a dot. It has the fields of its version and type and nothing else. Numbers are in
    their shortest form; hashes, keys, MACs and signature blocks have their sizes; old MAC keys are whole. No undefined
    flag is set, and no key id or counter is 0. A version 3 message has the sender's own tag, and a receiver tag of 0
    only if it is a D-H Commit. An answer has the version of the handshake message that it answers, and a Data Message
    that of a session.
    """

    id = "form"
    impact = Impact.INTEROPERABILITY
    fixed = frozenset({"_reader", "_blocks"})

    def __init__(self, reader: Reader, configs: Mapping[str, PartyConfig] | None = None) -> None:
        super().__init__(reader)
        self._blocks = {name: block_size(config) for name, config in (configs or {}).items()}

    def observe(self, view: Observation) -> None:
        if not view.sent:
            return
        tag = self._reader.world.parties[view.party].instance_tag
        had = frozenset([link.version for link in view.links.values()]) | _established(view.step)
        sender = Sender(tag, self._blocks.get(view.party), had, view.message, typed_in(view.step))
        for one in view.sent:
            if one.pieces != (one.raw,) and one.message.kind not in wire.ENCODED:
                continue  # something is wrong with the fragments
            wrong = wrong_with(one.message, sender)
            if wrong is not None:
                self.fail(wrong.check, view, expected=wrong.expected, got=wrong.got)


class FormWatch:
    """Judges every step of a world by the form of the messages sent. configs: of the parties to be judged."""

    def __init__(self, world: World, configs: Mapping[str, PartyConfig]) -> None:
        self._world = world
        self._blocks = {name: block_size(config) for name, config in configs.items()}
        self._versions: dict[str, frozenset[int]] = {}
        self._used_up: set[str] = set()
        #: The tags of parties that don't tell them, the latest last. A handshake may bring a new one: the text intends
        #: tags to be persistent, but does not demand it of clients. [INSTANCE-OWN-3]
        self._tags: dict[str, list[int]] = {}

    def __call__(self, step: Step) -> None:
        """Judge a step; raises OracleFailure."""
        if step.party not in self._blocks:
            return
        had = self._versions.get(step.party, frozenset()) | _established(step)
        self._versions[step.party] = had
        came, typed = step.args.get("message"), typed_in(step)
        if isinstance(came, bytes) and b"////" in came and _uses_last_key_id(came):
            self._used_up.add(step.party)
        sent = [event.message for event in step.events if isinstance(event, OutgoingMessage)]
        if not sent:
            return
        tag = self._world.parties[step.party].instance_tag
        answered = wire.parse_once(came) if isinstance(came, bytes) else None
        sender = Sender(tag, self._blocks[step.party], had, answered, typed, step.party in self._used_up)
        joiner = wire.Joiner()
        for raw in sent:
            if typed is not None and in_the_clear(typed, raw):
                continue
            message = wire.parse_once(raw)
            joined = joiner.add(raw, message)
            if joined is None or (typed is not None and in_the_clear(typed, joined.raw)):
                continue
            if joined.pieces != (joined.raw,):
                message = wire.parse_once(joined.raw)
                if message.kind not in wire.ENCODED:
                    continue  # something is wrong with the fragments
            wrong = wrong_with(message, sender if tag else replace(sender, tag=self._tag(step.party, message)))
            if wrong is not None and not is_excused(wrong.check):
                raise OracleFailure(Form.id, wrong.check, step, wrong.expected, wrong.got)

    def _tag(self, party: str, message: Message) -> int:
        """The tag that a message must have if its party does not tell its own; 0 if any will do."""
        used = self._tags.setdefault(party, [])
        own = message.number("sender_tag") if message.has("sender_tag") else 0
        if own in used:
            return own
        if used and message.kind not in (Kind.DH_COMMIT, Kind.DH_KEY):
            return used[-1]
        used += [own] if own else []
        return 0


def block_size(config: PartyConfig) -> int:
    """The size of the signature block of a party: its public key, a key id and a signature."""
    return len(public_key(config.key.public)) + _KEY_ID_AND_SIGNATURE


def _uses_last_key_id(message: bytes) -> bool:
    parsed = wire.parse_once(message)
    return parsed.has("sender_keyid") and parsed.number("sender_keyid") == _LAST_KEY_ID


def typed_in(step: Step) -> bytes | None:
    """What the user typed to be sent in a step; None if nothing."""
    text = step.args.get("text") if step.action == "send" else None
    return text if isinstance(text, bytes) else None


def _established(step: Step) -> frozenset[int]:
    return frozenset(one.version for one in step.events if isinstance(one, SessionEstablished))


def wrong_with(message: Message, sender: Sender) -> Wrong | None:
    """What is wrong with the form of a whole message; None if nothing. Texts that a user typed are not judged."""
    kind = message.kind
    if kind not in _FIELDS:
        return _wrong_with_other(message, sender)
    around = message.armour
    if around is None or around.before != b"?OTR:" or around.after != b".":
        got = None if around is None else around.before + b"..." + around.after
        return Wrong("form.armour-malformed", 'nothing but "?OTR:", base64 and "."', got)
    if message.problems:
        return _wrong_with_fields(message, sender)
    return _wrong_version(message, sender) or _wrong_tags(message, sender) or _wrong_values(message, sender)


def _wrong_with_other(message: Message, sender: Sender) -> Wrong | None:
    """What is wrong with a message that is not one of the five encoded types."""
    kind = message.kind
    if kind is Kind.BAD_ARMOUR:
        return Wrong("form.armour-malformed", 'padded base64 between "?OTR:" and "."', message.raw("armour"))
    if kind is Kind.UNKNOWN_ENCODED:
        return Wrong("form.unknown-header", "version 2 or 3, and one of the five types", message.body[:_HEADER])
    typed = None if sender.typed is None else sender.typed.partition(b"\0")[0]  # what follows a NUL may be left out
    if kind is Kind.PLAINTEXT and b"?OTR" in message.body and (typed is None or typed not in message.body):
        return Wrong("form.no-known-form", "a query, an Error Message, a fragment or an encoded message", message.body)
    return None


def _wrong_with_fields(message: Message, sender: Sender) -> Wrong:
    problem = message.problems[0]
    if problem.code == "leading-zero":
        return Wrong("form.mpi-not-minimal", "no leading zero byte", _about(message, problem))
    if problem.field == "old_mac_keys" and problem.code == "length":
        got = f"{len(message.data('old_mac_keys'))} bytes"
        return Wrong("form.partial-mac-key", "a multiple of 20 bytes", got)
    body = message.body
    as_other = b"\0\3" + body[2:] if message.version == 2 else b"\0\2" + body[2:]
    if not wire.parse(wire.armour(as_other)).problems:
        if wrong := _wrong_version(message, sender):
            return wrong
        check = "form.tags-in-version-2" if message.version == 2 else "form.tags-missing"
        tags = "without" if message.version == 2 else "with"
        return Wrong(check, f"the fields of version {message.version}, {tags} instance tags", TITLES[message.kind])
    return Wrong(_FIELDS[message.kind], "all its fields, in their sizes, and nothing else", str(problem))


def _about(message: Message, problem: Problem) -> str:
    return f"{problem.field} of {TITLES[message.kind]}: {message.raw(problem.field)[4:12].hex()}..."


def _wrong_tags(message: Message, sender: Sender) -> Wrong | None:
    if message.version != 3:
        return None
    own, receiver = message.number("sender_tag"), message.number("receiver_tag")
    if own != (sender.tag or own) or own < MIN_INSTANCE_TAG:
        expected = f"{sender.tag:08x}, the party's own" if sender.tag else f"{MIN_INSTANCE_TAG:08x} or more"
        return Wrong("form.wrong-sender-tag", expected, f"{own:08x}")
    if _from_nobody(sender.answered):
        return None  # the mistake is that it was answered at all
    if receiver < MIN_INSTANCE_TAG and (receiver or message.kind is not Kind.DH_COMMIT):
        got = f"{receiver:08x} on {TITLES[message.kind]}"
        return Wrong("form.no-receiver-tag", "the tag of the session's peer", got)
    return None


def _from_nobody(answered: Message | None) -> bool:
    """Whether an encoded message has no sender tag to which an answer could be addressed."""
    if answered is None or answered.kind not in _FIELDS or answered.version != 3:
        return False
    return not answered.has("sender_tag") or answered.number("sender_tag") < MIN_INSTANCE_TAG


def _wrong_version(message: Message, sender: Sender) -> Wrong | None:
    answered = sender.answered
    check = "form.wrong-version" if message.kind is Kind.DATA else "form.answer-in-other-version"
    if message.kind is Kind.DATA and sender.versions:
        right = message.version in sender.versions
        expected = f"that of a session: {', '.join(map(str, sorted(sender.versions)))}"
    elif message.kind in _ANSWERS and answered is not None and answered.kind in _FIELDS:
        right = message.version == answered.version
        expected = f"{answered.version}, as in {TITLES[answered.kind]} that is answered"
    else:
        return None
    return None if right else Wrong(check, expected, message.version)


def _wrong_values(message: Message, sender: Sender) -> Wrong | None:
    kind = message.kind
    if kind in (Kind.REVEAL_SIGNATURE, Kind.SIGNATURE) and sender.block is not None:
        size = len(message.data("encrypted_signature"))
        if size != sender.block:
            expected = f"{sender.block} bytes: the public key, a key id and a signature"
            return Wrong("form.signature-block-size", expected, f"{size} bytes")
    if kind in _PUBLIC and not in_group(value := message.number(_PUBLIC[kind])):
        return Wrong("form.public-value-out-of-range", f"{_PUBLIC[kind]} from 2 to p-2", f"{value:#x}")
    return _wrong_data_values(message, sender) if kind is Kind.DATA else None


def _wrong_data_values(message: Message, sender: Sender) -> Wrong | None:
    ids = message.key_ids
    if 0 in ids and not sender.used_up:
        return Wrong("form.key-id-zero", "key ids above 0", f"sender key id {ids[0]}, recipient key id {ids[1]}")
    if not any(message.data("ctr")):
        return Wrong("form.counter-zero", "a counter above 0", message.data("ctr"))
    if message.number("flags") & ~1:
        return Wrong("form.undefined-flags", "0 or 1", f"{message.number('flags'):#04x}")
    return None
