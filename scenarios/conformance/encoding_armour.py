"""The armour around binary messages, and messages that are cut short or of an unknown kind. [Encoded messages]"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context, TargetSession, check, check_equal, who_begins
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.reply import Reply
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, build
from otterproof.harness.wire.shown import TITLES, shown
from otterproof.implementations.contract import Event, SessionEstablished, TextReceived


def body_of(message: bytes) -> bytes:
    """The base64 part of an encoded message."""
    return message.removeprefix(b"?OTR:").removesuffix(b".")


def refused(target: TargetSession, check_id: str, message: bytes, case: str) -> Reply:
    """Demand that nothing in a message is accepted as genuine. case: the message, and what is wrong with it."""
    reply = target.receive(message)
    as_it_came = message in (*reply.secure, *reply.clear)
    reply.assert_rejected("encoding.body-shown" if as_it_came else check_id, case)
    return reply


def assert_answered_with_error_at_most(reply: Reply, case: str) -> None:
    """Demand that a malformed message gets no answer except an Error Message."""
    quiet = set(reply.kinds) <= {Kind.ERROR}
    check("encoding.malformed-answered", quiet, expected="no answer but an OTR Error Message", got=reply, case=case)


def assert_field_named(events: Iterable[Event], name: str, case: str) -> None:
    """Demand that the one event about a malformed message names this field. For this project's engines only."""
    names = [getattr(event, "field", "no field") for event in events]
    check_equal("encoding.wrong-field-reported", names, [name], case=case)


def steps(context: Context) -> Iterator[tuple[TargetSession, Insider, bytes]]:
    """A genuine message of each kind, with a target that waits for it; the caller gives it to the target.

    A handshake message must then take effect, since the next one depends on it. No message is given twice: other
    scenarios judge what a target does with a repeated message.
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
    """The last message of a kind that the target sent."""
    return build([message for message in target.replies(0, "target").sent if message.kind is kind][-1])


def has_its_effect(target: TargetSession, check_id: str, insider: Insider, message: bytes) -> None:
    """Demand that a genuine message takes effect: an answer, a session, a text shown. Data Messages are made afresh."""
    kind = wire.parse(message).kind
    reply = target.receive(insider.data(b"a text") if kind is Kind.DATA else message)
    case = f"{TITLES[kind]}, after the malformed ones"
    if kind in (Kind.DH_COMMIT, Kind.DH_KEY):
        reply.message(Kind.DH_KEY if kind is Kind.DH_COMMIT else Kind.REVEAL_SIGNATURE, check_id, case=case)
    elif kind is Kind.DATA:
        reply.assert_shown(check_id, b"a text", case=case)
    else:
        reply.one(SessionEstablished, check_id, case=case)


@scenario(requirements=("ARMOUR-FORM-1", "ARMOUR-FORM-2"))
def messages_are_sent_in_padded_base64(context: Context) -> None:
    """An encoded message is "?OTR:", unbroken padded base64 of the standard alphabet, and a dot."""
    for begins in (False, True):
        with context.case(who_begins(begins)):
            target = context.target_session()
            insider = target.insider()
            target.establish(insider, target_begins=begins)
            for size in range(6):
                target.assert_sends_text(insider, b"x" * size or b"?")


@scenario(requirements=("ARMOUR-PARSE-3", "!ARMOUR-PARSE-3"))
def undecodable_messages_are_not_shown(context: Context) -> None:
    """A message with bad base64 or an unknown version or type, or that is cut short, is not shown as text.

    A text between such messages is shown.
    """
    for state, target, insider in context.each_state():
        with context.case(state):
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
                case = f"{shown(message)} when {state}"
                check("encoding.body-shown", not texts, expected="no text", got=texts, case=case)
                target.receive(b"hello").assert_shown("text.not-shown-as-clear", b"hello", secure=False, case=state)


@scenario(requirements=("ARMOUR-PARSE-1", "!ARMOUR-PARSE-1"))
def invalid_base64_is_refused(context: Context) -> None:
    """A body that is not base64 changes nothing; the genuine message is still accepted."""
    for target, insider, message in steps(context):
        with context.case():
            body = body_of(message)
            for wrong in (b"!!!!", b"=", b"====", b"\xff\xfe" * 20, b"AAM", b"\0" * 8, b"?OTR:" + body[:9]):
                refused(target, "encoding.bad-base64-accepted", b"?OTR:" + wrong + b".", f"the body {shown(wrong)}")
            has_its_effect(target, "encoding.bad-base64-changes-state", insider, message)


@scenario(requirements=("!ARMOUR-FORM-1", "!ARMOUR-FORM-2"))
def nonstandard_base64_is_refused(context: Context) -> None:
    """Base64 in another alphabet, with foreign characters, without padding or without the final dot is refused."""
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
            refused(target, "encoding.other-base64-accepted", b"?OTR:" + form + b".", f"base64 with {name}")
        refused(target, "encoding.missing-dot-accepted", message[:-1], "a message without its dot")
    target.assert_session_alive(insider)


@scenario(requirements=("ARMOUR-FORM-1",))
def message_ends_at_the_first_dot(context: Context) -> None:
    """What follows the first dot, including further dots, is not part of the message."""
    target, insider = context.encrypted()
    for after in (b" ", b"\n", b". And so on.", b" ..."):
        reply = target.receive(insider.data(b"a text") + after)
        reply.assert_shown("encoding.read-beyond-dot", b"a text", case=f"a message with {shown(after)} behind it")


@scenario(needs=("lockstep",), requirements=("ARMOUR-FORM-1",))
def our_engines_find_messages_within_text(context: Context) -> None:
    """This project's engines recognise an encoded message anywhere in a text."""
    target, insider = context.encrypted()
    for before in (b" ", b"Look: ", b"?OTR ", b"<p>"):
        reply = target.receive(before + insider.data(b"a text") + b" </p>")
        reply.assert_shown(
            "encoding.message-in-text-missed", b"a text", case=f"a message with {shown(before)} before it"
        )


@scenario(requirements=("ARMOUR-PARSE-2", "!ARMOUR-PARSE-2"))
def short_bodies_are_refused(context: Context) -> None:
    """An empty body, or one shorter than a header, does no harm in any message state."""
    for state, target, insider in context.each_state():
        with context.case(state):
            header = wire.parse(insider.commit()).body[:12]
            for size in range(len(header)):
                case = f"a body of {size} bytes when {state}"
                refused(target, "encoding.short-body-accepted", wire.armour(header[:size]), case)
            if state == "encrypted":
                target.assert_session_alive(insider)


@scenario(requirements=("ARMOUR-PARSE-4", "!ARMOUR-PARSE-4", "ARMOUR-PARSE-5", "!ARMOUR-PARSE-5"))
def unknown_versions_and_types_are_ignored(context: Context) -> None:
    """A message that is valid except for an unknown version or type changes nothing."""
    for target, insider, message in steps(context):
        with context.case():
            genuine = wire.parse(message)
            lies = [("version", version) for version in (0, 1, 4, 0x0200, 0x0300, 0x0100 | context.version, 0xFFFF)]
            lies += [("type", kind) for kind in (0x00, 0x01, 0x04, 0x09, 0x13, 0x77, 0x83, 0xFF)]
            for name, value in lies:
                body = genuine.with_value(name, value).body
                is_data = genuine.kind is Kind.DATA
                lie = insider.seal(body[: genuine.field("mac").offset]) if is_data else wire.armour(body)
                check_id = (
                    "encoding.unknown-version-accepted" if name == "version" else "encoding.unknown-type-accepted"
                )
                refused(target, check_id, lie, f"{shown(genuine)} with {name} {value:#x}")
            has_its_effect(target, "encoding.unknown-header-changes-state", insider, message)


@scenario(requirements=("ARMOUR-PARSE-6", "!ARMOUR-PARSE-6", "TYPES-DATA-2"))
def truncated_messages_are_refused(context: Context) -> None:
    """A message without its last byte, its second half or whole fields is not acted on; the whole message then is."""
    for target, insider, message in steps(context):
        with context.case():
            genuine = wire.parse(message)
            lengths = {field.offset for field in genuine.fields} | {field.offset + 2 for field in genuine.fields}
            lengths |= {len(genuine.body) - 1, len(genuine.body) - 4, len(genuine.body) // 2}
            for length in sorted(length for length in lengths if length < len(genuine.body)):
                case = f"the first {length} bytes of {shown(genuine)}"
                refused(target, "encoding.cut-short-accepted", wire.armour(genuine.body[:length]), case)
            has_its_effect(target, "encoding.cut-short-changes-state", insider, message)


@scenario(versions=(3,), requirements=("ARMOUR-PARSE-6",))
def truncated_headers_are_refused(context: Context) -> None:
    """A commit that ends within its instance tags is not accepted; a whole one is answered afterwards."""
    target = context.target_session()
    insider = target.insider()
    whole = wire.parse(insider.commit())
    for size in range(3, 11):
        case = f"the first {size} bytes of a D-H Commit Message"
        reply = refused(target, "encoding.cut-short-accepted", wire.armour(whole.body[:size]), case)
        assert_answered_with_error_at_most(reply, case)
    if "lockstep" in context.target.capabilities:
        reply = target.receive(wire.armour(whole.body[:9]))
        assert_field_named(reply.events, "receiver_tag", "the first 9 bytes of a D-H Commit Message")
    target.user("start")
    target.receive(wire.build(whole)).message(Kind.DH_KEY)


@scenario(requirements=("ARMOUR-PARSE-7", "!ARMOUR-PARSE-7"))
def trailing_bytes_are_refused_or_ignored(context: Context) -> None:
    """A message with bytes after its last field is refused, or read as if they were not there."""
    for tail in (b"\0", b"\0\0\0\4tail", b"?" * 40):
        with context.case():
            target, insider = context.encrypted()
            reply = target.receive(wire.armour(wire.parse(insider.data(b"a text")).body + tail))
            texts = [event.text for event in reply.of(TextReceived)]
            case, known = f"{shown(tail)} after the last field", texts in ([], [b"a text"])
            check(
                "encoding.trailing-bytes-read", known, expected="the text unchanged, or no text", got=texts, case=case
            )
            target.assert_session_alive(insider)
            target = context.target_session()
            insider = target.insider()
            target.user("start")
            target.receive(wire.armour(wire.parse(insider.commit()).body + tail))
            check_id = "encoding.trailing-bytes-change-state"
            dh_key = build(target.receive(insider.commit()).message(Kind.DH_KEY, check_id, case=case))
            target.receive(insider.reveal_signature(dh_key)).one(SessionEstablished, check_id, case=case)
            target.assert_session_alive(insider)


@scenario(needs=("lockstep",), requirements=("!ARMOUR-PARSE-7",))
def our_engines_refuse_trailing_bytes(context: Context) -> None:
    """This project's engines refuse as malformed any message with one byte too many."""
    for target, insider, message in steps(context):
        with context.case():
            genuine = wire.parse(message)
            case = f"{shown(genuine)} with a byte too many"
            refused(target, "encoding.trailing-bytes-accepted", wire.armour(genuine.body + b"\0"), case)
            assert_answered_with_error_at_most(target.receive(wire.armour(genuine.body + b"\0")), case)
            has_its_effect(target, "encoding.trailing-bytes-change-state", insider, message)


@scenario(needs=("lockstep",), requirements=("DATA-OLDMACS-1", "!DATA-OLDMACS-1", "!COMMIT-HASH-2", "!REVEAL-FORM-7"))
def our_engines_check_fixed_lengths(context: Context) -> None:
    """Fields of a fixed length are refused with another length.

    So are old MAC keys that are not a whole number of keys.
    """
    fixed = {
        "hashed_gx": ("encoding.hash-wrong-size-accepted", (31, 33, 0)),
        "revealed_key": ("handshake.revealed-key-size-not-checked", (15, 17, 0, 32)),
        "old_mac_keys": ("data.partial-old-key-accepted", (19, 21, 1)),
    }
    for target, insider, message in steps(context):
        with context.case():
            genuine = wire.parse(message)
            for name in fixed.keys() & {field.name for field in genuine.fields}:
                check_id, lengths = fixed[name]
                for length in lengths:
                    wrong = build(genuine.with_raw(name, length.to_bytes(4) + bytes(length)))
                    reply = refused(target, check_id, wrong, f"{name} of {length} bytes")
                    assert_answered_with_error_at_most(reply, f"{name} of {length} bytes")
            has_its_effect(target, "encoding.wrong-size-changes-state", insider, message)
