"""TLVs in data messages: their form, padding, unknown types, and the end of a session. [Data Message]"""

from __future__ import annotations

from otterproof.harness.testkit.context import Context, Reply, TargetSession, check
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_peer import SmpPeer, smp_value
from otterproof.harness.wire import Kind
from otterproof.harness.wire.layers import Plaintext, tlv
from otterproof.implementations.contract import Ended, Finished, Rejected

PADDING, DISCONNECTED, SMP_ABORT, EXTRA_KEY = 0, 1, 6, 8

#: Types without a meaning, some of which look like others when they are cut.
UNKNOWN = (9, 0x0A, 0x80, 0xFF, 0x0101, 0x0106, 0x0108, 0x8001, 0xFFFF)

END = tlv(DISCONNECTED)


def _finishes(reply: Reply, why: str) -> None:
    check(len(reply.of(Finished)) == 1, f"{why} ends the session: {reply}")


@scenario(
    requirements=("TLV-FORM-1", "TLV-FORM-2", "TLV-FORM-3", "TLV-SAMPLE-1", "!TLV-FORM-1", "TLV-END-4", "TLV-END-2")
)
def tlvs_follow_a_nul(context: Context) -> None:
    """Text ends at the first NUL, and records stand behind it without gaps; the worked examples are such. Without a NUL
    they would be text.
    """
    examples = b"\x00\x00\x00\x05hello", b"\x00\x01\x00\x00"
    for plaintext, shown in (
        (b"\0" + examples[1], []),
        (b"bye\0" + examples[1], [b"bye"]),
        (b"bye\0" + examples[0] + examples[1], [b"bye"]),
        (b"\0" + examples[0] * 3 + examples[1], []),
        (b"bye\0" + b"\x00\x00\x00\x00" + examples[1], [b"bye"]),
    ):
        target, insider = context.encrypted()
        reply = target.receive(insider.data(plaintext))
        reply.assert_shown(*shown)
        _finishes(reply, f"the TLV in {plaintext!r}")
    target, insider = context.encrypted()
    target.assert_receives_text(insider, b"\x01 and \x02 are text here")
    target.receive(insider.data(b"text\0\0\0\0\4" + examples[1])).assert_shown(b"text")
    target.assert_session_alive(insider)


@scenario(requirements=("!TLV-FORM-2", "!TLV-FORM-3", "TLV-FORM-5"))
def lengths_and_types_have_two_bytes(context: Context) -> None:
    """Type and length are big-endian numbers of two bytes: long records are passed over whole, what looks like the end
    inside of one is not it, and the one behind it is.
    """
    for length in (0, 1, 0x00FF, 0x0100, 0x0101, 0x7FFF, 0x8000, 0xFFFF):
        target, insider = context.encrypted()
        inside = (b"\0\1\0\0" * (length // 4 + 1))[:length]
        target.receive(insider.data(b"a record", tlvs=[tlv(PADDING, inside)])).assert_shown(b"a record")
        target.assert_sends_text(insider, b"still here")
        reply = target.receive(insider.data(b"two records", tlvs=[tlv(PADDING, inside), END]))
        reply.assert_shown(b"two records")
        _finishes(reply, f"a TLV behind one of {length} bytes")


@scenario(requirements=("TLV-FORM-4", "!TLV-FORM-4", "!TLV-FORM-3", "!TLV-FORM-5", "TLV-FORM-5"))
def unknown_types_are_passed_over(context: Context) -> None:
    """TLVs of unknown type have no effect, and take none from the text or from the TLVs before and behind them."""
    target, insider = context.encrypted()
    for kind in UNKNOWN:
        for value in (b"", b"value", bytes(4)):
            reply = target.receive(insider.data(b"text", tlvs=[tlv(kind, value)]))
            reply.assert_shown(b"text")
            check(not reply.of(Finished), f"type {kind:#x} does not end the session")
    target.receive(insider.data(tlvs=[tlv(kind) for kind in UNKNOWN])).assert_rejected("TLVs of unknown types")
    target.assert_sends_text(insider, b"still here")
    _finishes(
        target.receive(insider.data(tlvs=[*(tlv(kind, b"x") for kind in UNKNOWN), END])), "a TLV behind unknown ones"
    )


@scenario(requirements=("TLV-FORM-6", "!TLV-FORM-6"))
def a_nul_alone_is_no_tlv(context: Context) -> None:
    """A NUL with nothing behind it is a message without TLVs: the text is shown, nobody is told of an error."""
    target, insider = context.encrypted()
    for text in (b"text", b""):
        reply = target.receive(insider.data(text + b"\0"))
        reply.assert_shown(*[text] if text else [])
        check(not reply.noticed, f"an empty list of TLVs is no mistake: {reply}")
        check(not reply.of(Rejected), f"nothing is ignored: {reply}")
    target.assert_session_alive(insider)


@scenario(requirements=("TLV-FORM-8", "!TLV-FORM-8", "!TLV-SAMPLE-1"))
def records_that_are_cut_short(context: Context) -> None:
    """A TLV that is cut short, or stray bytes behind the last one, have no effect, end no session, and what comes later
    is as ever.
    """
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
        check(not reply.of(Finished), f"{records[:12]!r} does not end the session: {reply}")
        check(reply.secure in ([b"text"], []), f"nothing is shown but the text: {reply}")
        check(len(reply.accepted) == len(reply.secure), f"nothing comes of {records[:12]!r}: {reply}")
        target.assert_receives_text(insider, b"the next message")
    target.assert_session_alive(insider)


@scenario(requirements=("!TLV-FORM-1", "!TLV-END-1"))
def typed_text_makes_no_tlvs(context: Context) -> None:
    """A text in which the user has typed a NUL is refused, or sent without making what follows a TLV."""
    target, insider = context.encrypted()
    for text in (b"text\0\0\1\0\0", b"\0\0\1\0\0", b"text\0\0\0\0\0\0\1\0\0"):
        for message in target.user("send", text=text).messages(Kind.DATA):
            found = target.read(insider, message)
            check(all(one.type != DISCONNECTED for one in found.tlvs), f"what is typed ends no session: {found}")
    target.assert_session_alive(insider)


@scenario(requirements=("TLV-PADDING-2", "!TLV-PADDING-2"))
def padding_is_ignored(context: Context) -> None:
    """Padding of any length and content is neither shown nor acted on."""
    target, insider = context.encrypted()
    for value in (b"", b"hello", bytes(1000), b"\0\1\0\0", b"?OTR:", b"\xff" * 0xFFFF):
        for text in (b"text", b""):
            reply = target.receive(insider.data(text, tlvs=[tlv(PADDING, value)] * 2))
            reply.assert_shown(*[text] if text else [])
            check(len(reply.accepted) == len(reply.secure), f"nothing comes of padding: {reply}")
    target.assert_session_alive(insider)


@scenario(requirements=("TLV-PADDING-1", "!TLV-PADDING-1"))
def padding_that_is_sent(context: Context) -> None:
    """What the target adds to a text is whole TLVs; asked for padding, if it can add some, it adds a type 0 TLV of that
    length, and else none of it.
    """
    target, insider = context.encrypted()
    for length in (0, 1, 255, 5000):
        plain = target.read(insider, target.user("send", text=b"text").message(Kind.DATA))
        _whole(plain, b"text")
        if "lockstep" in context.target.capabilities:
            check(not plain.tlvs, f"without the wish there is no padding, and there was {plain.tlvs}")
            padded = target.read(insider, target.user("send", text=b"text", padding=length).message(Kind.DATA))
            _whole(padded, b"text")
            check([found.length for found in padded.tlvs] == [length], f"there are {length} bytes of padding")


def _whole(plain: Plaintext, text: bytes) -> None:
    check(plain.text == text, f"the text is {text!r}, and was {plain.text!r}")
    cut = [found for found in plain.tlvs if len(found.value) != found.length]
    check(not plain.rest and not cut, "TLVs that are sent are whole")


@scenario(requirements=("TLV-END-1", "!TLV-END-1"))
def the_users_end(context: Context) -> None:
    """When the user ends the session the correspondent gets a type 1 TLV, under the keys of the session, which is gone
    then; there is no such TLV before, and none outside a session.
    """
    target, insider = context.encrypted()
    before = target.read(insider, target.user("send", text=b"before").message(Kind.DATA))
    check(all(found.type != DISCONNECTED for found in before.tlvs), "ordinary messages do not end the session")
    reply = target.user("end")
    reply.one(Ended)
    tlvs = target.read(insider, reply.message(Kind.DATA)).tlvs
    check([found.type for found in tlvs].count(DISCONNECTED) == 1, f"the end says so with a type 1 TLV, not {tlvs}")
    target.receive(insider.data(b"too late")).assert_rejected("a data message after the user's end")
    check(not target.user("end").messages(Kind.DATA), "without a session there is nothing to end")


def _unlocked(target: TargetSession, text: bytes) -> bool:
    """Whether a text of the user's goes out in the clear."""
    return any(text in raw for raw in target.user("send", text=text).raw)


@scenario(requirements=("TLV-END-2", "!TLV-END-2", "TLV-END-3", "!TLV-END-3", "TLV-END-4", "!TLV-END-4"))
def the_correspondents_end(context: Context) -> None:
    """A type 1 TLV, whatever its value, leads to FINISHED: the user is told, the text beside it is shown, nothing more
    is read or sent in the clear until he ends the session as well. Nothing else does.
    """
    for text, value in ((b"", b""), (b"good bye", b""), (b"", b"with a value"), (b"both", bytes(300))):
        target, insider = context.encrypted()
        check(not target.assert_receives_text(insider, b"before").of(Finished), "a text does not end the session")
        reply = target.receive(insider.data(text, tlvs=[tlv(DISCONNECTED, value)]))
        reply.one(Finished)
        reply.assert_shown(*[text] if text else [])
        target.receive(insider.data(b"too late")).assert_rejected("a data message after the end")
        check(not _unlocked(target, b"not in the clear"), "in FINISHED a text does not go out in the clear")
        target.user("end").one(Ended)
        check(_unlocked(target, b"in the clear"), "after the user's own end texts go out in the clear")


@scenario(requirements=("!TLV-FORM-5", "!TLV-END-2"))
def what_follows_the_end(context: Context) -> None:
    """What stands behind a type 1 TLV in its message does no harm: the session is over, and its keys are not used."""
    for behind in (
        [END],
        [tlv(SMP_ABORT)],
        [tlv(EXTRA_KEY, bytes(4))],
        [tlv(2, smp_value(2, SmpPeer(1).message_1()))],
        [tlv(PADDING, bytes(10)), tlv(0xFFFF), END],
    ):
        target, insider = context.encrypted()
        reply = target.receive(insider.data(b"good bye", tlvs=[END, *behind]))
        reply.assert_shown(b"good bye")
        check(bool(reply.of(Finished)), "the session is over")
        target.receive(insider.data(b"too late")).assert_rejected("a data message after the end")
        check(not target.user("send", text=b"too late").messages(Kind.DATA), "no data message is sent after the end")
