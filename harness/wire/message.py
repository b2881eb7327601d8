"""Messages: `parse` any bytes, `build` them back, and change single fields in between.

A message has one layer of fields. For an encoded message that is the binary layer; its armour is kept as received until
a field is changed, so even unusual armour is rebuilt exactly. For all other messages the layer is the text itself.
[Unencoded messages, Encoded messages, Fragmentation]
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from binascii import Error, a2b_base64
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import accumulate, repeat
from typing import NamedTuple

from otterproof.harness.support.cached import cached_property
from otterproof.harness.wire.fields import Field, Layout, Part, Problem, Type, UnreadableField, encode, field_of, read
from otterproof.harness.wire.layouts import BODIES, MAC_SIZE, TAG_BASE, TAG_VERSIONS, TAGS, TYPE, TYPES, VERSION
from otterproof.implementations.values import quickly_made


class Kind(StrEnum):
    """The kind of a message. UNKNOWN_ENCODED: valid armour, but a version or type that OTR 2 and 3 do not have."""

    PLAINTEXT = "plaintext"
    TAGGED_PLAINTEXT = "tagged_plaintext"
    QUERY = "query"
    ERROR = "error"
    FRAGMENT_V2 = "fragment_v2"
    FRAGMENT_V3 = "fragment_v3"
    DH_COMMIT = "dh_commit"
    DH_KEY = "dh_key"
    REVEAL_SIGNATURE = "reveal_signature"
    SIGNATURE = "signature"
    DATA = "data"
    UNKNOWN_ENCODED = "unknown_encoded"
    BAD_ARMOUR = "bad_armour"


#: The kinds that are text: neither encoded nor a fragment.
UNENCODED = frozenset({Kind.PLAINTEXT, Kind.TAGGED_PLAINTEXT, Kind.QUERY, Kind.ERROR})

#: The kinds with a binary layer, inside armour.
ENCODED = frozenset(
    {
        Kind.DH_COMMIT,
        Kind.DH_KEY,
        Kind.REVEAL_SIGNATURE,
        Kind.SIGNATURE,
        Kind.DATA,
        Kind.UNKNOWN_ENCODED,
    }
)


@quickly_made
@dataclass(frozen=True, slots=True)
class Armour:
    """What surrounds the binary layer: text up to and with "?OTR:", the base64 as received, the rest from "." on."""

    before: bytes
    base64: bytes
    after: bytes


class Piece(NamedTuple):
    """The content of a well-formed fragment. sender, receiver: instance tags, 0 in version 2."""

    sender: int
    receiver: int
    k: int
    n: int
    content: bytes


@quickly_made
@dataclass(frozen=True)  # no slots, for cached properties: judges ask for the same ones again and again
class Message:
    """A message as fields that tile its layer. `version` is None for text, and if the header is cut short.

    piece: what a well-formed fragment holds; None for a malformed fragment, and for other messages.
    """

    kind: Kind
    version: int | None
    fields: tuple[Field, ...]
    problems: tuple[Problem, ...] = ()
    armour: Armour | None = None
    piece: Piece | None = None

    @cached_property
    def body(self) -> bytes:
        """The layer as bytes: for an encoded message, the decoded content of the armour."""
        return b"".join([field.raw for field in self.fields])

    @cached_property
    def _named(self) -> dict[str, Field]:
        """The fields by name; the first one, if several have the same name."""
        return {field.name: field for field in reversed(self.fields)}

    def field(self, name: str) -> Field:
        """The field of that name. UnreadableField, which lists the fields, if there is none."""
        field = self._named.get(name)
        if field is not None:
            return field
        names = ", ".join(field.name for field in self.fields)
        raise UnreadableField(f"a {self.kind} message has no field {name!r}; this one has {names}")

    def has(self, name: str) -> bool:
        """Whether the field exists and could be read."""
        field = self._named.get(name)
        return field is not None and field.value is not None

    def value(self, name: str) -> int | bytes:
        """The value of a field. UnreadableField if it is missing or cut short."""
        field = self.field(name)
        if field.value is None:
            raise UnreadableField(f"{name} at {field.offset} is cut short and has no value; raw has its bytes")
        return field.value

    def number(self, name: str) -> int:
        """The value of a field that is a number."""
        field = self._named.get(name)
        value = field.value if field is not None else None
        if not isinstance(value, int):
            self.value(name)
            raise UnreadableField(f"{name} holds bytes, not a number")
        return value

    def data(self, name: str) -> bytes:
        """The value of a field that is bytes."""
        field = self._named.get(name)
        value = field.value if field is not None else None
        if not isinstance(value, bytes):
            self.value(name)
            raise UnreadableField(f"{name} holds a number, not bytes")
        return value

    def raw(self, name: str) -> bytes:
        """The bytes of a field as received, including any length prefix."""
        return self.field(name).raw

    def with_value(self, name: str, value: int | bytes) -> Message:
        """The message with another value in a field, encoded correctly. FieldError if it does not fit."""
        field = self.field(name)
        size = len(field.raw) if field.type is Type.FIXED and field.value is not None else 0
        return self.with_raw(name, encode(field.type, value, name, size))

    def with_raw(self, name: str, raw: bytes) -> Message:
        """The message with a field's bytes replaced, including any length prefix. The result is parsed again."""
        self.field(name)
        return self.with_body(b"".join(raw if field.name == name else field.raw for field in self.fields))

    def with_body(self, body: bytes) -> Message:
        """The message with another layer, in the same armour if it has any. The result is parsed again."""
        if self.armour is None:
            return parse(body)
        return _parse_binary(body, replace(self.armour, base64=b64encode(body)))

    @cached_property
    def key_ids(self) -> tuple[int, int]:
        """The key ids of a data message: its sender's and its recipient's."""
        return self.number("sender_keyid"), self.number("recipient_keyid")

    def mac_input(self) -> bytes:
        """The bytes of a data message that its authenticator covers: from the version to the encrypted message."""
        return self.body[: self.field("mac").offset]

    def revealed_mac_keys(self) -> list[bytes]:
        """The MAC keys that a data message reveals, 20 bytes each; the last is shorter if the field ends early."""
        keys = self.data("old_mac_keys")
        return [keys[at : at + MAC_SIZE] for at in range(0, len(keys), MAC_SIZE)]

    @cached_property
    def authenticated(self) -> bytes | None:
        """A digest of a data message's MAC and of the bytes that it covers; None if the message is cut short.

        The revealed MAC keys after it are not authenticated, so an adversary can change them.
        """
        if self.kind is not Kind.DATA or not self.has("mac"):
            return None
        return hashlib.sha256(self.mac_input() + self.data("mac")).digest()

    @cached_property
    def proof(self) -> bytes | None:
        """A digest of what a Reveal Signature or Signature Message proves; None for other messages."""
        if self.kind not in (Kind.REVEAL_SIGNATURE, Kind.SIGNATURE) or not self.has("mac"):
            return None
        key = self.data("revealed_key") if self.kind is Kind.REVEAL_SIGNATURE else b""
        signed = self.raw("encrypted_signature") + self.data("mac")
        return hashlib.sha256(b"%d" % len(key) + key + signed).digest()


class TextMessage(Message):
    """A message whose layer is text. Its fields are made only if asked for; most fragments have been joined before."""

    def __init__(
        self,
        kind: Kind,
        version: int | None,
        names: tuple[str, ...],
        parts: tuple[bytes, ...],
        problems: tuple[Problem, ...] = (),
        piece: Piece | None = None,
    ) -> None:
        """names, parts: of the fields, and their bytes."""
        made = self.__dict__
        made["kind"], made["version"], made["problems"], made["armour"] = kind, version, problems, None
        made["piece"], made["_names"], made["_parts"] = piece, names, parts

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        parts: tuple[bytes, ...] = self.__dict__["_parts"]
        offsets = accumulate(map(len, parts), initial=0)
        return tuple(
            map(field_of, zip(self.__dict__["_names"], repeat(Type.REST), parts, parts, offsets, strict=False))
        )


_FRAGMENT = re.compile(rb"\?OTR[|,]")
_FRAGMENT_V3 = re.compile(
    rb"(\?OTR\|)([0-9a-fA-F]{1,8})(\|)([0-9a-fA-F]{1,8})(,)([0-9]{1,5})(,)([0-9]{1,5})(,)([^,]+)(,)"
)
_FRAGMENT_V2 = re.compile(rb"(\?OTR,)([0-9]{1,5})(,)([0-9]{1,5})(,)([^,]+)(,)")
_V3_NAMES = ("before", "marker", "sender_tag", "-", "receiver_tag", "-", "k", "-", "n", "-", "piece", "-", "after")
_V2_NAMES = ("before", "marker", "k", "-", "n", "-", "piece", "-", "after")
_QUERY = re.compile(rb"(\?OTR)(\?v[^?\x00-\x20\x7f]*\?|v[^?\x00-\x20\x7f]*\?|\?)")
_TAG = re.compile(rb"(" + TAG_BASE + rb")((?:[ \t]{8})+)")
#: Marks that may make a text a message of the protocol; overlapping marks count, too. A version can be any byte, though
#: so far no control character stands for one.
_MARK = re.compile(rb"(?=\?OTR(?:[|,:?]| Error:|v[^?\s]*\?)|" + TAG_BASE + rb"[ \t]{8})")
#: The caller checks that the length is a multiple of 4: one run is much faster than a repeated group of 4.
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*+={0,2}")


def parse(raw: bytes) -> Message:
    """Read any bytes as the kind of message they are. Never fails, and `build` gives the bytes back."""
    if b"?OTR" in raw:
        if marker := _FRAGMENT.search(raw):
            return _parse_fragment(raw, marker)
        before, marker_text, rest = raw.partition(b"?OTR:")
        if marker_text:
            return _parse_armoured(before + marker_text, rest)
        before, marker_text, rest = raw.partition(b"?OTR Error:")
        if marker_text:
            return TextMessage(Kind.ERROR, None, ("before", "marker", "text"), (before, marker_text, rest))
        if query := _QUERY.search(raw):
            return TextMessage(Kind.QUERY, None, ("before", "marker", "versions", "after"), _around(query))
    if tag := _TAG.search(raw):
        return TextMessage(Kind.TAGGED_PLAINTEXT, None, ("before", "tag_base", "tag_groups", "after"), _around(tag))
    return TextMessage(Kind.PLAINTEXT, None, ("text",), (raw,))


#: The longest message that is remembered, in bytes, and the most messages; then all are forgotten. To forget the one
#: that was used least recently would take as long as looking one up.
_LONGEST, _MOST = 1 << 12, 1 << 12

_parsed: dict[bytes, Message] = {}


def parse_once(raw: bytes) -> Message:
    """`parse`, with the result remembered, for messages that several judges look at."""
    message = _parsed.get(raw)
    if message is None:
        message = parse(raw)
        if len(raw) <= _LONGEST:
            if len(_parsed) >= _MOST:
                _parsed.clear()
            _parsed[raw] = message
    return message


def build(message: Message) -> bytes:
    """The message as it is transmitted."""
    if message.armour is None:
        return message.body
    return message.armour.before + message.armour.base64 + message.armour.after


def armour(body: bytes) -> bytes:
    """A binary message as it is transmitted."""
    return b"?OTR:" + b64encode(body) + b"."


def _around(match: re.Match[bytes]) -> tuple[bytes, ...]:
    """The bytes before a match, its groups (which tile it), and the bytes after it."""
    return match.string[: match.start()], *match.groups(), match.string[match.end() :]


def _parse_fragment(raw: bytes, marker: re.Match[bytes]) -> Message:
    if marker[0] == b"?OTR|":
        if match := _FRAGMENT_V3.match(raw, marker.start()):
            parts = _around(match)
            _, _, sender, _, receiver, _, k, _, n, _, content, _, _ = parts
            piece = Piece(int(sender, 16), int(receiver, 16), int(k), int(n), content)
            return TextMessage(Kind.FRAGMENT_V3, 3, _V3_NAMES, parts, (), piece)
    elif match := _FRAGMENT_V2.match(raw, marker.start()):
        parts = _around(match)
        _, _, k, _, n, _, content, _, _ = parts
        return TextMessage(Kind.FRAGMENT_V2, 2, _V2_NAMES, parts, (), Piece(0, 0, int(k), int(n), content))
    kind, version = (Kind.FRAGMENT_V3, 3) if marker[0] == b"?OTR|" else (Kind.FRAGMENT_V2, 2)
    problem = Problem("form", "fragment", marker.start(), "it does not have the form of a fragment")
    return TextMessage(
        kind,
        version,
        ("before", "marker", "fragment"),
        (raw[: marker.start()], marker[0], raw[marker.end() :]),
        (problem,),
    )


def _parse_armoured(before: bytes, rest: bytes) -> Message:
    base64, dot, after = rest.partition(b".")
    if dot and len(base64) % 4 == 0 and _BASE64.fullmatch(base64):
        try:
            return _parse_binary(a2b_base64(base64), Armour(before, base64, dot + after))
        except Error as error:
            reason = str(error)
    else:
        reason = "it is not padded base64 that ends with a dot"
    problem = Problem("armour", "armour", len(before), reason)
    return TextMessage(Kind.BAD_ARMOUR, None, ("before", "armour", "after"), (before, base64, dot + after), (problem,))


def layout(version: int, kind: str) -> Layout:
    """The layout of an encoded message, header included."""
    return (VERSION, TYPE, *(TAGS if version == 3 else ()), *BODIES[kind])


_LAYOUTS = {(version, kind): (Kind(kind), layout(version, kind)) for version in (2, 3) for kind in BODIES}
_UNKNOWN: Layout = (VERSION, TYPE, Part("content", Type.REST))
_UNKNOWN_V3: Layout = (VERSION, TYPE, *TAGS, Part("content", Type.REST))


def _parse_binary(body: bytes, around: Armour) -> Message:
    version = int.from_bytes(body[:2]) if len(body) >= 2 else None
    name = TYPES.get(body[2]) if len(body) >= 3 else None
    if version is not None and version in (2, 3) and name is not None:
        kind, parts = _LAYOUTS[version, name]
        fields, problems = read(parts, body)
        if kind is Kind.DATA:
            keys = next((one for one in fields[-2:] if one.name == "old_mac_keys"), None)  # bytes may follow them
            if keys is not None and len(keys.raw) % MAC_SIZE != 4:
                problem = Problem("length", "old_mac_keys", keys.offset, "not a whole number of MAC keys")
                problems = (*problems, problem)
        return Message(kind, version, fields, problems, around)
    fields, problems = read(_UNKNOWN_V3 if version == 3 else _UNKNOWN, body)
    if len(body) >= 3:
        text = f"version {version} and type {body[2]:#04x} do not belong to OTR 2 or 3"
        problems = (*problems, Problem("unknown", "version", 0, text))
    return Message(Kind.UNKNOWN_ENCODED, version, fields, problems, around)


def is_ambiguous(message: Message) -> bool:
    """Whether a message has marks of several messages; the protocol texts do not say which one counts.

    Marks in the piece of a fragment do not count, as they belong to the message that was cut into fragments. Also
    ambiguous are a text with a NUL, where a C string would end, and an encoded message behind other text. [reading
    ARMOUR-POSITION]
    """
    raw = build(message)
    marks = [mark.start() for mark in _MARK.finditer(raw)]
    if message.piece is not None:
        start, end = message.field("piece").offset, message.field("after").offset
        marks = [at for at in marks if not start <= at < end]
    if message.kind in ENCODED or message.kind is Kind.BAD_ARMOUR:
        return len(marks) > 1 or not raw.startswith(b"?OTR:")
    if message.kind is Kind.PLAINTEXT and marks:
        return True
    return len(marks) > 1 or (message.kind in UNENCODED and b"\0" in raw)


def offered_versions(message: Message) -> frozenset[int]:
    """The versions, of 1, 2 and 3, that a query or a whitespace tag offers; empty for other messages."""
    if message.kind is Kind.QUERY:
        text = message.data("versions")
        identifiers = text.partition(b"v")[2]
        offered = {version for version in (2, 3) if b"%d" % version in identifiers}
        return frozenset(offered | ({1} if text.startswith(b"?") else set()))
    if message.kind is Kind.TAGGED_PLAINTEXT:
        groups = message.data("tag_groups")
        found = {groups[at : at + 8] for at in range(0, len(groups), 8)}
        return frozenset(version for version, group in TAG_VERSIONS.items() if group in found)
    return frozenset()


def offered_with_text(text: bytes, sent: bytes) -> frozenset[int] | None:
    """The versions in the whitespace tag that was added anywhere in a text; None if it was sent otherwise."""
    added = len(sent) - len(text)
    groups_size = added - len(TAG_BASE)
    if groups_size <= 0 or groups_size % 8:
        return None
    for at in range(len(text) + 1):
        tag = sent[at : at + added]
        if tag.startswith(TAG_BASE) and sent[:at] + sent[at + added :] == text:
            found = [tag[start : start + 8] for start in range(len(TAG_BASE), added, 8)]
            offered = frozenset(version for version, group in TAG_VERSIONS.items() if group in found)
            return offered if set(found) <= set(TAG_VERSIONS.values()) else None
    return None
