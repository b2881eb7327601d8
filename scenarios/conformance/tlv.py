"""TLVs in data messages: their form, padding, unknown types, and the end of a session. [Data Message]"""

from __future__ import annotations

from otterproof.harness.testkit.context import Context, check, check_equal
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_peer import SmpPeer, smp_value
from otterproof.harness.wire import Kind
from otterproof.harness.wire.layers import Plaintext, tlv
from otterproof.implementations.contract import MessageRejected, PeerEndedSession, UserEndedSession

PADDING, DISCONNECTED, SMP_ABORT, EXTRA_KEY = 0, 1, 6, 8

#: Types without a meaning, some of which look like known ones if they are truncated.
UNKNOWN = (9, 0x0A, 0x80, 0xFF, 0x0101, 0x0106, 0x0108, 0x8001, 0xFFFF)

END = tlv(DISCONNECTED)


@scenario(
    requirements=("TLV-FORM-1", "TLV-FORM-2", "TLV-FORM-3", "TLV-SAMPLE-1", "!TLV-FORM-1", "TLV-END-4", "TLV-END-2")
)
def tlvs_follow_a_nul(context: Context) -> None:
    """Text ends at the first NUL, and TLVs follow it without gaps, as in the worked examples.

    Without a NUL, everything is text.
    """
    examples = b"\x00\x00\x00\x05hello", b"\x00\x01\x00\x00"
    for plaintext, texts in (
        (b"\0" + examples[1], []),
        (b"bye\0" + examples[1], [b"bye"]),
        (b"bye\0" + examples[0] + examples[1], [b"bye"]),
        (b"\0" + examples[0] * 3 + examples[1], []),
        (b"bye\0" + b"\x00\x00\x00\x00" + examples[1], [b"bye"]),
    ):
        with context.case():
            target, insider = context.encrypted()
            reply = target.receive(insider.data(plaintext))
            reply.assert_shown("tlv.text-not-cut-at-nul", *texts, case=plaintext)
            alone = plaintext == b"\0" + examples[1]
            reply.one(PeerEndedSession, "session.end-not-reported" if alone else "tlv.record-not-found", case=plaintext)
    target, insider = context.encrypted()
    target.assert_receives_text(insider, b"\x01 and \x02 are text here", check_id="tlv.text-taken-for-records")
    inside = b"text\0\0\0\0\4" + examples[1]
    target.receive(insider.data(inside)).assert_shown("tlv.text-not-cut-at-nul", b"text", case=inside)
    target.assert_session_alive(insider, "tlv.value-taken-for-records")


@scenario(requirements=("!TLV-FORM-2", "!TLV-FORM-3", "TLV-FORM-5"))
def lengths_and_types_have_two_bytes(context: Context) -> None:
    """Type and length are big-endian numbers of two bytes: a long TLV is skipped whole, and the next one is found.

    Bytes inside its value that look like the end of the session have no effect.
    """
    target, insider = context.encrypted()
    target.end_by_peer(insider)
    for length in (0, 1, 0x00FF, 0x0100, 0x0101, 0x7FFF, 0x8000, 0xFFFF):
        with context.case(f"length {length}"):
            target, insider = context.encrypted()
            inside = (b"\0\1\0\0" * (length // 4 + 1))[:length]
            case = f"a TLV with a value of {length} bytes"
            reply = target.receive(insider.data(b"a record", tlvs=[tlv(PADDING, inside)]))
            reply.assert_shown("tlv.text-not-cut-at-nul", b"a record", case=case)
            target.assert_sends_text(insider, b"still here", check_id="tlv.value-taken-for-records")
            reply = target.receive(insider.data(b"two records", tlvs=[tlv(PADDING, inside), END]))
            reply.assert_shown("tlv.text-not-cut-at-nul", b"two records", case=case)
            reply.one(PeerEndedSession, "tlv.record-not-found", case=f"a type 1 TLV after {case}")


@scenario(requirements=("TLV-FORM-4", "!TLV-FORM-4", "!TLV-FORM-3", "!TLV-FORM-5", "TLV-FORM-5"))
def unknown_types_are_ignored(context: Context) -> None:
    """TLVs of unknown types have no effect, and the text and the TLVs before and after them are still processed."""
    target, insider = context.encrypted()
    target.end_by_peer(insider)
    target, insider = context.encrypted()
    for kind in UNKNOWN:
        for value in (b"", b"value", bytes(4)):
            reply = target.receive(insider.data(b"text", tlvs=[tlv(kind, value)]))
            case = f"a TLV of type {kind:#x} with a value of {len(value)} bytes"
            reply.assert_shown("tlv.unknown-type-hides-text", b"text", case=case)
            ended = reply.of(PeerEndedSession)
            check("tlv.unknown-type-acted-on", not ended, expected="the session goes on", got=ended, case=case)
    reply = target.receive(insider.data(tlvs=[tlv(kind) for kind in UNKNOWN]))
    reply.assert_rejected("tlv.unknown-type-acted-on", "TLVs of unknown types and no text")
    target.assert_sends_text(insider, b"still here", check_id="tlv.unknown-type-acted-on")
    reply = target.receive(insider.data(tlvs=[*(tlv(kind, b"x") for kind in UNKNOWN), END]))
    reply.one(PeerEndedSession, "tlv.unknown-type-hides-records", case="a type 1 TLV after TLVs of unknown types")


@scenario(requirements=("TLV-FORM-6", "!TLV-FORM-6"))
def nul_without_tlvs_is_accepted(context: Context) -> None:
    """A NUL with nothing after it is a message without TLVs: the text is shown, and no error is reported."""
    target, insider = context.encrypted()
    for text in (b"text", b""):
        case = "a text and a NUL" if text else "a NUL alone"
        reply = target.receive(insider.data(text + b"\0"))
        reply.assert_shown("tlv.empty-list-refused", *[text] if text else [], case=case)
        refused = reply.noticed or bool(reply.of(MessageRejected))
        check("tlv.empty-list-refused", not refused, expected="no error is reported", got=reply, case=case)
    target.assert_session_alive(insider)


@scenario(requirements=("TLV-FORM-8", "!TLV-FORM-8", "!TLV-SAMPLE-1"))
def truncated_tlvs(context: Context) -> None:
    """A truncated TLV, or stray bytes after the last one, have no effect, and the session goes on."""
    target, insider = context.encrypted()
    for records in (
        b"\0",
        b"\0\1",
        b"\0\1\0",
        b"\0\0\0\5hell",
        b"\0\1\0\4",
        b"\0\1\0\1",
        b"\0\1\xff\xff\0",
        b"\0\1\xff\xffx" * 50,
        b"\0\0\1\xf4abc",
        b"\0\6\0\2\0",
        b"\0\x08\0\x08\0\0\0\1",
        b"\0\2\0\x40" + bytes(20),
        b"\0\0\0\0\0\1\0",
    ):
        reply = target.receive(insider.data(b"text\0" + records))
        quiet = len(reply.accepted) == len(reply.secure)  # an end counts as accepted
        check("tlv.cut-short-acted-on", quiet, expected="no event but the text", got=reply, case=records)
        shown_alone = reply.secure in ([b"text"], [])
        check("tlv.cut-short-shown", shown_alone, expected="the text, or nothing", got=reply.secure, case=records)
        target.assert_receives_text(insider, b"the next message", check_id="tlv.cut-short-ends-session")
    target.assert_session_alive(insider)


@scenario(requirements=("!TLV-FORM-1", "!TLV-END-1"))
def typed_nul_makes_no_tlvs(context: Context) -> None:
    """A text in which the user typed a NUL is refused, or sent so that what follows the NUL is not read as TLVs."""
    target, insider = context.encrypted()
    for text in (b"text\0\0\1\0\0", b"\0\0\1\0\0", b"text\0\0\0\0\0\0\1\0\0"):
        for message in target.user("send", text=text).messages(Kind.DATA):
            found = target.read(insider, message)
            ends = any(one.type == DISCONNECTED for one in found.tlvs)
            check("tlv.typed-text-becomes-record", not ends, expected="no type 1 TLV", got=found, case=text)
    target.assert_session_alive(insider)


@scenario(requirements=("TLV-PADDING-2", "!TLV-PADDING-2"))
def padding_is_ignored(context: Context) -> None:
    """Padding of any length and content is neither shown nor acted on."""
    target, insider = context.encrypted()
    for value in (b"", b"hello", bytes(1000), b"\0\1\0\0", b"?OTR:", b"\xff" * 0xFFFF):
        for text in (b"text", b""):
            reply = target.receive(insider.data(text, tlvs=[tlv(PADDING, value)] * 2))
            case = f"two type 0 TLVs with values of {len(value)} bytes"
            reply.assert_shown("tlv.padding-not-ignored", *[text] if text else [], case=case)
            quiet = len(reply.accepted) == len(reply.secure)
            check("tlv.padding-not-ignored", quiet, expected="no event but the text", got=reply, case=case)
    target.assert_session_alive(insider)


@scenario(requirements=("TLV-PADDING-1", "!TLV-PADDING-1", "TLV-FORM-3"))
def sent_padding(context: Context) -> None:
    """The TLVs that the target adds to a text are complete; an engine adds padding when asked to, and only then.

    The padding is one type 0 TLV of the requested length.
    """
    target, insider = context.encrypted()
    for length in (0, 1, 255, 5000):
        plain = target.read(insider, target.user("send", text=b"text").message(Kind.DATA))
        _whole(plain, b"text")
        if "lockstep" in context.target.capabilities:
            check("tlv.padding-not-requested", not plain.tlvs, expected="no TLV", got=plain.tlvs)
            padded = target.read(insider, target.user("send", text=b"text", padding=length).message(Kind.DATA))
            _whole(padded, b"text")
            lengths = [found.length for found in padded.tlvs]
            check(
                "tlv.padding-wrong-length", lengths == [length], expected=f"one TLV of {length} bytes", got=padded.tlvs
            )


@scenario(requirements=("TLV-PADDING-1", "TLV-FORM-3"))
def padding_that_is_asked_for(context: Context) -> None:
    """Requested padding goes out with the text, in a type 0 TLV of the requested length."""
    target, insider = context.encrypted()
    for length in (1, 255, 5000):
        plain = target.read(insider, target.user("send", text=b"text", padding=length).message(Kind.DATA))
        _whole(plain, b"text")
        lengths = [found.length for found in plain.tlvs if found.type == PADDING]
        wanted = f"a type 0 TLV of {length} bytes"
        check("tlv.padding-wrong-length", length in lengths, expected=wanted, got=plain.tlvs)


def _whole(plain: Plaintext, text: bytes) -> None:
    check_equal("text.changed-on-the-way", plain.text, text)
    cut = [found for found in plain.tlvs if len(found.value) != found.length]
    check("tlv.sent-cut-short", not plain.rest and not cut, expected="whole TLVs", got=plain.rest or cut)


@scenario(requirements=("TLV-END-1", "!TLV-END-1"))
def user_ends_the_session(context: Context) -> None:
    """When the user ends the session, the peer gets one type 1 TLV under the session's keys, and the session is over.

    No type 1 TLV goes out before that or outside a session.
    """
    target, insider = context.encrypted()
    before = target.read(insider, target.user("send", text=b"before").message(Kind.DATA))
    ends = any(found.type == DISCONNECTED for found in before.tlvs)
    check("tlv.end-not-requested", not ends, expected="no type 1 TLV", got=before.tlvs, case="a text in a session")
    reply = target.user("end")
    reply.one(UserEndedSession)
    tlvs = target.read(insider, reply.message(Kind.DATA)).tlvs
    told = [found.type for found in tlvs].count(DISCONNECTED) == 1
    check("tlv.end-not-sent", told, expected="one type 1 TLV", got=tlvs)
    reply = target.receive(insider.data(b"too late"))
    reply.assert_rejected("state.ended-session-read", "a Data Message after the user's end")
    reply = target.user("end")
    quiet = not reply.messages(Kind.DATA)
    check("tlv.end-not-requested", quiet, expected="no Data Message", got=reply, case="an end outside a session")


@scenario(requirements=("TLV-END-2", "!TLV-END-2", "TLV-END-3", "!TLV-END-3", "TLV-END-4", "!TLV-END-4"))
def peer_ends_the_session(context: Context) -> None:
    """A type 1 TLV, whatever its value, leads to FINISHED: the user is told, and the text next to it is shown.

    Nothing more is read, or sent in the clear, until the user ends the session too. A text does not end a session.
    """
    for text, value in ((b"", b""), (b"good bye", b""), (b"", b"with a value"), (b"both", bytes(300))):
        with context.case(text):
            target, insider = context.encrypted()
            case = f"a type 1 TLV with a value of {len(value)} bytes, {'beside a text' if text else 'alone'}"
            reply = target.assert_receives_text(insider, b"before")
            ended = reply.of(PeerEndedSession)
            check(
                "tlv.session-ends-without-record", not ended, expected="the session goes on", got=reply, case="a text"
            )
            reply = target.receive(insider.data(text, tlvs=[tlv(DISCONNECTED, value)]))
            reply.one(PeerEndedSession, "tlv.end-not-obeyed", case=case)
            reply.assert_shown("tlv.end-hides-text", *[text] if text else [], case=case)
            reply = target.receive(insider.data(b"too late"))
            reply.assert_rejected("state.ended-session-read", f"a Data Message after {case}")
            raw = target.user("send", text=b"not in the clear").raw
            leaks = any(b"not in the clear" in message for message in raw)
            check("text.sent-after-end", not leaks, expected="the text does not go out", got=raw, case="FINISHED")
            target.user("end").one(UserEndedSession)
            raw = target.user("send", text=b"in the clear").raw
            sent = any(b"in the clear" in message for message in raw)
            check("text.not-sent-in-clear", sent, expected=b"in the clear", got=raw, case="after the user's own end")


@scenario(needs=("smp",), requirements=("STATE-ENDED-1", "!STATE-ENDED-1"))
def nothing_answers_what_follows_the_end(context: Context) -> None:
    """An SMP message after a type 1 TLV in the same message is not answered: its keys are forgotten by then."""
    for asked in (tlv(2, bytes(4)), tlv(3, bytes(4)), tlv(2, smp_value(2, SmpPeer(1).message_1()))):
        with context.case(f"a type 1 TLV, then a type {asked.type} TLV of {asked.length} bytes"):
            target, insider = context.encrypted()
            reply = target.receive(insider.data(tlvs=[END, asked]))
            quiet = not reply.messages(Kind.DATA)
            check("tlv.answered-after-end", quiet, expected="no Data Message", got=reply)


@scenario(requirements=("!TLV-FORM-5", "!TLV-END-2"))
def tlvs_after_the_end(context: Context) -> None:
    """TLVs after a type 1 TLV in the same message do no harm: the session is over, and its keys are not used."""
    for others in (
        [END],
        [tlv(SMP_ABORT)],
        [tlv(EXTRA_KEY, bytes(4))],
        [tlv(2, smp_value(2, SmpPeer(1).message_1()))],
        [tlv(PADDING, bytes(10)), tlv(0xFFFF), END],
    ):
        with context.case():
            target, insider = context.encrypted()
            reply = target.receive(insider.data(b"good bye", tlvs=[END, *others]))
            case = f"a type 1 TLV, then TLVs of types {', '.join(str(one.type) for one in others)}"
            reply.assert_shown("tlv.end-hides-text", b"good bye", case=case)
            check(
                "tlv.end-not-obeyed",
                bool(reply.of(PeerEndedSession)),
                expected="the session is over",
                got=reply,
                case=case,
            )
            reply = target.receive(insider.data(b"too late"))
            reply.assert_rejected("state.ended-session-read", f"a Data Message after {case}")
            reply = target.user("send", text=b"too late")
            quiet = not reply.messages(Kind.DATA)
            check("text.sent-after-end", quiet, expected="no Data Message", got=reply, case=case)
