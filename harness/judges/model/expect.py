"""The events that a step must give, with templates for their messages, and the comparison with the actual events.

Most events are predicted exactly. A value that is random or computed by cryptography is predicted by its name, and the
comparison binds the name to the value in the book. A template for an outgoing message specifies everything except such
values. Once a message fits it, the book learns what the message means, for its receivers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from otterproof.harness import wire
from otterproof.harness.judges.model.book import BookConflict, CommitMeaning, DataMeaning, NameTable, SignatureMeaning
from otterproof.harness.judges.model.names import (
    Commit,
    Dh,
    EncryptedGx,
    HashedGx,
    Identity,
    MacKey,
    MessageName,
    Name,
    RevealedKey,
    SharedKey,
    Ssid,
)
from otterproof.harness.judges.model.plain import Plain
from otterproof.harness.wire import Kind
from otterproof.implementations.contract import (
    DsaPublicKey,
    Event,
    ExtraKeyDerived,
    OutgoingMessage,
    SessionEstablished,
)


class Mismatch(Exception):
    """A prediction failed: the place, what was predicted there, and what was observed.

    check: the id of the check that did not hold. [harness/spec/checks/oracles_*.toml]
    """

    def __init__(self, place: str, predicted: object, observed: object, check: str = "") -> None:
        super().__init__(place)
        self.place = place
        self.predicted = predicted
        self.observed = observed
        self.check = check


@contextmanager
def judged_by(check: str) -> Iterator[None]:
    """Give a Mismatch the id of a check, unless it has a more specific one."""
    try:
        yield
    except Mismatch as mismatch:
        mismatch.check = mismatch.check or check
        raise


def expect_equal(place: str, predicted: object, observed: object) -> None:
    """Mismatch unless the two are equal."""
    if predicted != observed:
        raise Mismatch(place, predicted, observed)


def bind(names: NameTable, place: str, name: Name, observed: bytes | int | None) -> None:
    """Bind `name` to the value at this place. Mismatch if that contradicts the book."""
    if observed is None:
        raise Mismatch(place, name, observed)
    try:
        names.bind(name, observed)
    except BookConflict as conflict:
        raise Mismatch(place, f"{name} ({conflict})", observed, "model.values-conflict") from conflict


# --------------------------------------------------------------------------------------------------------------------
# Templates of messages
# --------------------------------------------------------------------------------------------------------------------


class Template(Protocol):
    """The prediction of an outgoing message."""

    def check(self, message: bytes, names: NameTable, place: str) -> None:
        """Compare; if the message fits, enter in the book what it means."""
        ...


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A message whose every byte is known: text, a query, an Error Message."""

    message: bytes

    def check(self, message: bytes, names: NameTable, place: str) -> None:
        expect_equal(place, self.message, message)


@dataclass(frozen=True, slots=True)
class Again:
    """A message that is sent again, byte for byte."""

    name: MessageName

    def check(self, message: bytes, names: NameTable, place: str) -> None:
        expect_equal(f"{place} (resent {self.name.kind})", names.message(self.name), message)


@dataclass(frozen=True, slots=True)
class Header:
    """Version and instance tags of an encoded message. [Instance Tags]"""

    version: int
    sender_tag: int
    receiver_tag: int


@dataclass(frozen=True, slots=True)
class CommitMessage:
    """[D-H Commit Message; COMMIT-FORM-1, COMMIT-FORM-2, COMMIT-FORM-3, COMMIT-FORM-4, COMMIT-FORM-5]

    The encrypted field is as long as an MPI of at most 192 bytes. [COMMIT-GX-5, COMMIT-GX-6]
    """

    header: Header
    commit: Commit
    name: MessageName

    def check(self, message: bytes, names: NameTable, place: str) -> None:
        parsed = _parse(message, Kind.DH_COMMIT, self.header, place)
        encrypted, hashed = parsed.data("encrypted_gx"), parsed.data("hashed_gx")
        if not 4 < len(encrypted) <= 196:
            raise Mismatch(f"{place}.encrypted_gx", "an encrypted MPI of 1 to 192 bytes", encrypted)
        bind(names, f"{place}.encrypted_gx", EncryptedGx(self.commit), encrypted)
        bind(names, f"{place}.hashed_gx", HashedGx(self.commit), hashed)
        names.add_message(self.name, message)


@dataclass(frozen=True, slots=True)
class DhKeyMessage:
    """[D-H Key Message; DHKEY-FORM-1, DHKEY-FORM-2, DHKEY-FORM-3, DHKEY-FORM-4, DHKEY-FORM-5]"""

    header: Header
    y: Dh
    name: MessageName

    def check(self, message: bytes, names: NameTable, place: str) -> None:
        parsed = _parse(message, Kind.DH_KEY, self.header, place)
        bind(names, f"{place}.gy", self.y, parsed.number("gy"))
        names.add_message(self.name, message)


def encrypted_signature_size(signer: Identity) -> int:
    """The length of X: public key, key id, signature. [KEYS-PUBKEY-3, KEYS-SIG-2, REVEAL-SIG-6, SIG-SIG-6]"""
    key = signer.key
    numbers = (key.p, key.q, key.g, key.y) if isinstance(key, DsaPublicKey) else ()
    return 2 + sum(4 + (number.bit_length() + 7) // 8 for number in numbers) + 4 + 40


@dataclass(frozen=True, slots=True)
class SealedMessage:
    """A Reveal Signature Message if there is a commit that it opens, else a Signature Message.

    [Reveal Signature Message; REVEAL-FORM-1, REVEAL-FORM-2, REVEAL-FORM-3, REVEAL-FORM-4, REVEAL-FORM-5]

    [Signature Message; SIG-FORM-1, SIG-FORM-2, SIG-FORM-3, SIG-FORM-4, SIG-FORM-5]
    """

    header: Header
    seal: SignatureMeaning
    commit: Commit | None
    name: MessageName

    def check(self, message: bytes, names: NameTable, place: str) -> None:
        kind = Kind.SIGNATURE if self.commit is None else Kind.REVEAL_SIGNATURE
        parsed = _parse(message, kind, self.header, place)
        encrypted = parsed.data("encrypted_signature")
        size = encrypted_signature_size(self.seal.signer)
        expect_equal(f"{place}.encrypted_signature (length)", size, len(encrypted))
        if self.commit is not None:
            revealed = parsed.data("revealed_key")
            bind(names, f"{place}.revealed_key", RevealedKey(self.commit), revealed)
            names.add_opening(*names.commit_fields(self.commit), revealed, CommitMeaning(self.commit.x))
        names.add_seal(encrypted, parsed.data("mac"), self.seal)
        names.add_message(self.name, message)


@dataclass(frozen=True, slots=True)
class DataMessage:
    """reveals: the old MAC keys in their order.

    [Data Message; DATA-FORM-1, DATA-FORM-2, DATA-FORM-3, DATA-FORM-4, DATA-FORM-5]
    """

    header: Header
    flags: int
    sender_keyid: int
    recipient_keyid: int
    next_dh: Dh
    counter: int
    sender: Dh
    receiver: Dh
    plain: Plain
    reveals: tuple[MacKey, ...]

    def check(self, message: bytes, names: NameTable, place: str) -> None:
        parsed = _parse(message, Kind.DATA, self.header, place)
        expect_equal(f"{place}.flags", self.flags, parsed.number("flags"))
        expect_equal(f"{place}.sender_keyid", self.sender_keyid, parsed.number("sender_keyid"))
        expect_equal(f"{place}.recipient_keyid", self.recipient_keyid, parsed.number("recipient_keyid"))
        bind(names, f"{place}.next_dh", self.next_dh, parsed.number("next_dh"))
        expect_equal(f"{place}.ctr", self.counter, int.from_bytes(parsed.data("ctr"), "big"))
        least, most = self.plain.sizes
        length = len(parsed.data("encrypted_message"))
        if not least <= length <= most:
            raise Mismatch(f"{place}.encrypted_message", f"{least} to {most} bytes of {self.plain}", length)
        check_mac_keys(f"{place}.old_mac_keys", self.reveals, _cut(parsed.data("old_mac_keys")), names)
        names.add_written(parsed.mac_input(), parsed.data("mac"), DataMeaning(self.sender, self.receiver, self.plain))


def _cut(keys: bytes) -> Sequence[bytes]:
    """[DATA-OLDMACS-1, MACREVEAL-WHAT-4]"""
    return [keys[at : at + 20] for at in range(0, len(keys), 20)]


def check_mac_keys(place: str, names: Sequence[MacKey], observed: Sequence[bytes], book: NameTable) -> None:
    """Compare MAC keys in the clear: as many as predicted, in this order, each with the value of its name."""
    if len(names) != len(observed):
        raise Mismatch(place, f"[{', '.join(map(str, names))}]", [key.hex() for key in observed])
    for index, (name, key) in enumerate(zip(names, observed, strict=True)):
        bind(book, f"{place}[{index}]", name, key)


def _parse(message: bytes, kind: Kind, header: Header, place: str) -> wire.Message:
    """Parse an encoded message of that kind: well formed, canonically armoured, with that version and those tags."""
    parsed = wire.parse(message)
    expect_equal(f"{place}.kind", kind, parsed.kind)
    expect_equal(f"{place}.version", header.version, parsed.version)
    expect_equal(f"{place}.problems", (), parsed.problems)  # [TYPES-MPI-2, TYPES-MPI-4]
    expect_equal(f"{place} (armour)", wire.armour(parsed.body), message)  # [ARMOUR-FORM-1, ARMOUR-FORM-2]
    if header.version == 3:  # [INSTANCE-HEADER-1]
        expect_equal(f"{place}.sender_tag", header.sender_tag, parsed.number("sender_tag"))
        expect_equal(f"{place}.receiver_tag", header.receiver_tag, parsed.number("receiver_tag"))
    return parsed


# --------------------------------------------------------------------------------------------------------------------
# Expected events
# --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sends:
    """An OutgoingMessage, or one for every fragment of the message. [FRAGMENT-SEND-9]"""

    template: Template


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of several events, where only cryptography could tell which. None of them changes the state."""

    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Establishes:
    """SessionEstablished, with names for ssid and fingerprint."""

    instance: int
    version: int
    ssid: Ssid
    identity: Identity
    sent_reveal_signature: bool
    refreshed: bool
    same_key: bool


@dataclass(frozen=True, slots=True)
class GivesExtraKey:
    """ExtraKeyDerived, with a name for the key."""

    instance: int
    received: bool
    use: int
    data: bytes
    key: SharedKey


#: What a step is predicted to give. An event of the contract stands for itself.
Expected: TypeAlias = Event | Sends | OneOf | Establishes | GivesExtraKey


def match_events(expected: Sequence[Expected], events: Sequence[Event], max_size: int | None, names: NameTable) -> None:
    """Compare event by event, and bind names to the values that the events show."""
    at = 0
    for one in expected:
        place = f"event {at}"
        if at >= len(events):
            raise Mismatch(place, one, "no more events")
        if isinstance(one, Sends):
            # Only other messages are fragmented; text sent as it is may look like a fragment, because a user may have
            # typed one.
            largest = None if isinstance(one.template, Verbatim) else max_size
            with judged_by("model.wrong-fragments"):
                message, count = _take_message(events, at, largest)
            with judged_by("model.wrong-message"):
                one.template.check(message, names, f"{place}.message")
            at += count
        else:
            _match_event(one, events[at], place, names)
            at += 1
    if at < len(events):
        raise Mismatch(f"event {at}", "no more events", events[at])


def _match_event(one: Event | OneOf | Establishes | GivesExtraKey, event: Event, place: str, names: NameTable) -> None:
    match one:
        case OneOf(events):
            if event not in events:
                raise Mismatch(place, f"one of {events}", event)
        case Establishes():
            if not isinstance(event, SessionEstablished):
                raise Mismatch(place, one, event)
            _same_fields(place, one, event, "instance version sent_reveal_signature refreshed same_key")
            bind(names, f"{place}.ssid", one.ssid, event.ssid)
            bind(names, f"{place}.fingerprint", one.identity, event.fingerprint)
        case GivesExtraKey():
            if not isinstance(event, ExtraKeyDerived):
                raise Mismatch(place, one, event)
            _same_fields(place, one, event, "instance received use data")
            bind(names, f"{place}.key", one.key, event.key)
        case _:
            expect_equal(place, one, event)


def _same_fields(place: str, one: object, event: Event, names: str) -> None:
    for name in names.split():
        expect_equal(f"{place}.{name}", getattr(one, name), getattr(event, name))


def _take_message(events: Sequence[Event], at: int, max_size: int | None) -> tuple[bytes, int]:
    """The message that starts with event `at`, reassembled if it was fragmented, and the number of events it took."""
    first = events[at]
    if not isinstance(first, OutgoingMessage):
        raise Mismatch(f"event {at}", "an outgoing message", first, "model.wrong-events")
    parsed = wire.parse(first.message)
    if parsed.kind not in (Kind.FRAGMENT_V2, Kind.FRAGMENT_V3) or not parsed.has("n") or max_size is None:
        if max_size is not None and first.message.startswith(b"?OTR:") and len(first.message) > max_size:
            raise Mismatch(f"event {at}", f"fragments of at most {max_size} bytes", first)
        return first.message, 1
    count = int(parsed.data("n"))
    group = [event.message for event in events[at : at + count] if isinstance(event, OutgoingMessage)]
    message = b"".join(one.data("piece") for one in map(wire.parse, group) if one.has("piece"))
    for index, (piece, right) in enumerate(zip(group, split(message, max_size), strict=False)):
        expect_equal(f"event {at + index} (fragment)", right, piece)
    expect_equal(f"event {at} (fragments)", len(split(message, max_size)), len(group))
    return message, count


def split(message: bytes, max_size: int) -> list[bytes]:
    """The fragments that an engine makes of an encoded message. [Fragmentation; choice fragments.sent]"""
    if len(message) <= max_size:
        return [message]  # [FRAGMENT-SEND-1]
    parsed = wire.parse(message)
    tags = ""
    if parsed.version == 3:  # [FRAGMENT-SEND-10, FRAGMENT-SEND-11, INSTANCE-HEADER-2]
        tags = f"|{parsed.number('sender_tag'):08x}|{parsed.number('receiver_tag'):08x}"
    room = max_size - len(f"?OTR{tags},00001,00002,,")  # [FRAGMENT-SEND-8]
    # [FRAGMENT-SEND-5, FRAGMENT-SEND-7]
    pieces = [message[at : at + room] for at in range(0, len(message), room)]
    # [FRAGMENT-SEND-2, FRAGMENT-SEND-3, FRAGMENT-SEND-4]
    return [f"?OTR{tags},{k:05d},{len(pieces):05d},".encode() + piece + b"," for k, piece in enumerate(pieces, start=1)]
