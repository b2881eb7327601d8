"""The armour around binary messages, and messages that are not whole or of no known kind. [Encoded messages]"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context, TargetSession, check
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.reply import Reply
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, build
from otterproof.implementations.contract import Established, TextReceived

ARMOURED = re.compile(rb"\?OTR:((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)\.")


def body_of(message: bytes) -> bytes:
    """The base64 of a message."""
    return message.removeprefix(b"?OTR:").removesuffix(b".")


def refused(target: TargetSession, message: bytes, why: str) -> Reply:
    """Demand that nothing is taken for genuine in a message."""
    reply = target.receive(message)
    reply.assert_rejected(why)
    return reply


def steps(context: Context) -> Iterator[tuple[TargetSession, Insider, bytes]]:
    """A genuine message of each kind, with a target that waits for it; to be given to it by whoever asks.

    After a message of a handshake was given it must have its effect, or the next one does not come about. Nothing is
    asked twice: whether a target answers a message that comes again is for others to judge.
    """
    target = context.target_session()
    insider = target.insider()
    target.user("start")
    commit = insider.commit()
    yield target, insider, commit
    dh_key = _answer(target, Kind.DH_KEY)
    reveal_signature = insider.reveal_signature(dh_key)
    yield target, insider, reveal_signature
    target = context.target_session()
    insider = target.insider()
    sent = build(target.query().message(Kind.DH_COMMIT))
    yield target, insider, insider.dh_key()
    signature = insider.signature(insider.decommit(sent, _answer(target, Kind.REVEAL_SIGNATURE)))
    yield target, insider, signature
    target, insider = context.encrypted()
    yield target, insider, insider.data(b"a text")


def _answer(target: TargetSession, kind: Kind) -> bytes:
    """The last message of a kind that the target has sent."""
    return build([message for message in target.replies(0, "target").sent if message.kind is kind][-1])


def has_its_effect(target: TargetSession, insider: Insider, message: bytes) -> None:
    """Demand that a genuine message does what it must; of a commit, that it is answered. A text is sent afresh."""
    kind = wire.parse(message).kind
    reply = target.receive(insider.data(b"a text") if kind is Kind.DATA else message)
    if kind in (Kind.DH_COMMIT, Kind.DH_KEY):
        reply.message(Kind.DH_KEY if kind is Kind.DH_COMMIT else Kind.REVEAL_SIGNATURE)
    elif kind is Kind.DATA:
        reply.assert_shown(b"a text")
    else:
        reply.one(Established)


@scenario(requirements=("ARMOUR-FORM-1", "ARMOUR-FORM-2"))
def messages_are_sent_in_padded_base64(context: Context) -> None:
    """What the target encodes is the mark, padded base64 of the standard alphabet in one piece, and a dot."""
    raw: list[bytes] = []
    for begins in (False, True):
        target, insider = context.encrypted(target_begins=begins)
        for size in range(6):
            target.assert_sends_text(insider, b"x" * size or b"?")
        raw += target.replies(0, "target").raw
    encoded = [one for one in raw if one.startswith(b"?OTR:")]
    for one in encoded:
        match = ARMOURED.fullmatch(one)
        check(match is not None, f"a message is sent in base64 between the mark and a dot: {one!r}")
    paddings = {len(one) - len(one.rstrip(b"=.")) for one in encoded}
    check(len(paddings) == 3, "messages of all lengths were seen")


@scenario(requirements=("ARMOUR-PARSE-3", "!ARMOUR-PARSE-3"))
def what_is_not_understood_is_not_shown(context: Context) -> None:
    """Bad base64, an unknown version or type and a message cut short are not shown as texts; a text in between is."""
    for state, target, insider in context.each_state():
        commit = wire.parse(insider.commit())
        for message in (
            b"?OTR:!!!!.",
            b"?OTR:AAkC.",
            build(commit.with_value("version", 4)),
            build(commit.with_value("type", 0x77)),
            wire.armour(commit.body[:-5]),
            b"?OTR:" + b64encode(b"hello there") + b".",
        ):
            texts = target.receive(message).of(TextReceived)
            check(not texts, f"when {state} {message[:40]!r} is not shown as a text, and was: {texts}")
            target.receive(b"hello").assert_shown(b"hello", secure=False)


@scenario(requirements=("ARMOUR-PARSE-1", "!ARMOUR-PARSE-1"))
def what_is_no_base64_is_refused(context: Context) -> None:
    """A body that is no base64 changes nothing; the genuine message still counts."""
    for target, insider, message in steps(context):
        body = body_of(message)
        for wrong in (b"!!!!", b"=", b"====", b"\xff\xfe" * 20, b"AAM", b"\0" * 8, b"?OTR:" + body[:9]):
            refused(target, b"?OTR:" + wrong + b".", f"the body {wrong[:20]!r}")
        has_its_effect(target, insider, message)


@scenario(requirements=("!ARMOUR-FORM-1", "!ARMOUR-FORM-2"))
def other_forms_of_base64_are_refused(context: Context) -> None:
    """The other alphabet, line ends, characters in between, missing padding or a missing dot: not what is described."""
    target, insider = context.encrypted()
    for number in range(8):
        text = b"number %d " % number + b"x" * (number % 3)
        message = insider.data(text)
        body = body_of(message)
        other = b64encode(b64decode(body), b"-_")
        forms = {
            "line ends": body[:60] + b"\n" + body[60:],
            "blanks": body[:40] + b" " + body[40:],
            "a foreign character": body[:40] + b"*" + body[40:],
            "another alphabet": other if other != body else b"-" + body,
            "no padding": body.rstrip(b"=") if body.endswith(b"=") else body[:-1],
        }
        for name, form in forms.items():
            refused(target, b"?OTR:" + form + b".", f"base64 with {name}")
        refused(target, message[:-1], "a message without its dot")
    target.assert_session_alive(insider)


@scenario(requirements=("ARMOUR-FORM-1",))
def a_message_ends_with_its_first_dot(context: Context) -> None:
    """What follows the dot, dots among it, is no part of the message."""
    target, insider = context.encrypted()
    for after in (b" ", b"\n", b". And so on.", b" ..."):
        target.receive(insider.data(b"a text") + after).assert_shown(b"a text")


@scenario(needs=("lockstep",), requirements=("ARMOUR-FORM-1",))
def our_engines_find_messages_within_text(context: Context) -> None:
    """The engines of this project recognise an encoded message wherever it stands."""
    target, insider = context.encrypted()
    for before in (b" ", b"Look: ", b"?OTR ", b"<p>"):
        target.receive(before + insider.data(b"a text") + b" </p>").assert_shown(b"a text")


@scenario(requirements=("ARMOUR-PARSE-2", "!ARMOUR-PARSE-2"))
def short_bodies_are_refused(context: Context) -> None:
    """A body with nothing in it, or with less than a header, does no harm in any message state."""
    for state, target, insider in context.each_state():
        header = wire.parse(insider.commit()).body[:12]
        for size in range(len(header)):
            refused(target, wire.armour(header[:size]), f"a body of {size} bytes when {state}")
        if state == "encrypted":
            target.assert_session_alive(insider)


@scenario(requirements=("ARMOUR-PARSE-4", "!ARMOUR-PARSE-4", "ARMOUR-PARSE-5", "!ARMOUR-PARSE-5"))
def unknown_versions_and_types_are_ignored(context: Context) -> None:
    """A message that is right but for a version or type without a meaning changes nothing."""
    for target, insider, message in steps(context):
        genuine = wire.parse(message)
        lies = [("version", version) for version in (0, 1, 4, 0x0200, 0x0300, 0x0100 | context.version, 0xFFFF)]
        lies += [("type", kind) for kind in (0x00, 0x01, 0x04, 0x09, 0x13, 0x77, 0x83, 0xFF)]
        for name, value in lies:
            body = genuine.with_value(name, value).body
            is_data = genuine.kind is Kind.DATA
            lie = insider.seal(body[: genuine.field("mac").offset]) if is_data else wire.armour(body)
            refused(target, lie, f"a {genuine.kind} message with {name} {value:#x}")
        has_its_effect(target, insider, message)


@scenario(requirements=("ARMOUR-PARSE-6", "!ARMOUR-PARSE-6", "TYPES-DATA-2"))
def messages_cut_short_are_refused(context: Context) -> None:
    """A message that lacks its last byte, half of itself or whole fields is not acted on; the whole one then is."""
    for target, insider, message in steps(context):
        genuine = wire.parse(message)
        lengths = {field.offset for field in genuine.fields} | {field.offset + 2 for field in genuine.fields}
        lengths |= {len(genuine.body) - 1, len(genuine.body) - 4, len(genuine.body) // 2}
        for length in sorted(length for length in lengths if length < len(genuine.body)):
            refused(target, wire.armour(genuine.body[:length]), f"{length} bytes of a {genuine.kind} message")
        has_its_effect(target, insider, message)


@scenario(versions=(3,), requirements=("ARMOUR-PARSE-6",))
def headers_cut_short_are_refused(context: Context) -> None:
    """A commit that ends within its tags is not taken for one, and one that has them is."""
    target = context.target_session()
    insider = target.insider()
    whole = wire.parse(insider.commit())
    for size in range(3, 11):
        reply = target.receive(wire.armour(whole.body[:size]))
        reply.assert_rejected("a header cut short")
        check(set(reply.kinds) <= {Kind.ERROR}, f"{size} bytes are not taken for a commit, and were: {reply}")
    if "lockstep" in context.target.capabilities:
        reply = target.receive(wire.armour(whole.body[:9]))
        names = [getattr(event, "field", "") for event in reply.events]
        check(names == ["receiver_tag"], f"the tag that is cut short is what is wrong, and was {names}")


@scenario(requirements=("ARMOUR-PARSE-7", "!ARMOUR-PARSE-7"))
def bytes_after_the_last_field_belong_to_no_field(context: Context) -> None:
    """A message with more bytes than it should have is refused, or read as if they were not there."""
    for tail in (b"\0", b"\0\0\0\4tail", b"?" * 40):
        target, insider = context.encrypted()
        reply = target.receive(wire.armour(wire.parse(insider.data(b"a text")).body + tail))
        texts = [event.text for event in reply.of(TextReceived)]
        check(texts in ([], [b"a text"]), f"the text is shown as it is, or not at all, and was shown as {texts}")
        target.assert_session_alive(insider)
        target = context.target_session()
        insider = target.insider()
        target.user("start")
        target.receive(wire.armour(wire.parse(insider.commit()).body + tail))
        dh_key = build(target.receive(insider.commit()).message(Kind.DH_KEY))
        target.receive(insider.reveal_signature(dh_key)).one(Established)
        target.assert_session_alive(insider)


@scenario(needs=("lockstep",), requirements=("!ARMOUR-PARSE-7",))
def our_engines_refuse_bytes_after_the_last_field(context: Context) -> None:
    """For the engines of this project a message of any kind with a byte too many is malformed."""
    for target, insider, message in steps(context):
        genuine = wire.parse(message)
        target.receive(wire.armour(genuine.body + b"\0")).assert_rejected(
            f"a {genuine.kind} message with a byte too many"
        )
        kinds = target.receive(wire.armour(genuine.body + b"\0")).kinds
        check(set(kinds) <= {Kind.ERROR}, f"it is not answered but with an error, and was with {kinds}")
        has_its_effect(target, insider, message)


@scenario(needs=("lockstep",), requirements=("DATA-OLDMACS-1", "!DATA-OLDMACS-1", "!COMMIT-HASH-2", "!REVEAL-FORM-7"))
def our_engines_check_fixed_lengths(context: Context) -> None:
    """Fields of a fixed length, and MAC keys of a multiple of it, are refused when they are longer or shorter."""
    fixed = {"hashed_gx": (31, 33, 0), "revealed_key": (15, 17, 0, 32), "old_mac_keys": (19, 21, 1)}
    for target, insider, message in steps(context):
        genuine = wire.parse(message)
        for name in fixed.keys() & {field.name for field in genuine.fields}:
            for length in fixed[name]:
                wrong = build(genuine.with_raw(name, length.to_bytes(4) + bytes(length)))
                reply = target.receive(wrong)
                reply.assert_rejected(f"{name} of {length} bytes")
                check(set(reply.kinds) <= {Kind.ERROR}, f"{name} of {length} bytes is not answered but with an error")
        has_its_effect(target, insider, message)
