"""TLVs in data messages: their form, padding, unknown types, and the end of a session. [Data Message]"""

from __future__ import annotations

from harness.scenario import scenario
from harness.smp import SmpLiar, smp_value
from harness.stage import Reply, Stage, Subject, check
from harness.wire import Kind
from harness.wire.layers import Plaintext, tlv
from implementations.contract import Ended, Finished, Rejected

PADDING, DISCONNECTED, SMP_ABORT, EXTRA_KEY = 0, 1, 6, 8

#: Types without a meaning, some of which look like others when they are cut.
UNKNOWN = (9, 0x0A, 0x80, 0xFF, 0x0101, 0x0106, 0x0108, 0x8001, 0xFFFF)

END = tlv(DISCONNECTED)


def _finishes(reply: Reply, why: str) -> None:
    check(len(reply.of(Finished)) == 1, f"{why} ends the session: {reply}")


@scenario(
    requirements=("TLV-FORM-1", "TLV-FORM-2", "TLV-FORM-3", "TLV-SAMPLE-1", "!TLV-FORM-1", "TLV-END-4", "TLV-END-2")
)
def tlvs_follow_a_nul(stage: Stage) -> None:
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
        subject, insider = stage.encrypted()
        reply = subject.give(insider.data(plaintext))
        reply.shows(*shown)
        _finishes(reply, f"the TLV in {plaintext!r}")
    subject, insider = stage.encrypted()
    subject.hears(insider, b"\x01 and \x02 are text here")
    subject.give(insider.data(b"text\0\0\0\0\4" + examples[1])).shows(b"text")
    subject.still_talks(insider)


@scenario(requirements=("!TLV-FORM-2", "!TLV-FORM-3", "TLV-FORM-5"))
def lengths_and_types_have_two_bytes(stage: Stage) -> None:
    """Type and length are big-endian numbers of two bytes: long records are passed over whole, what looks like the end
    inside of one is not it, and the one behind it is.
    """
    for length in (0, 1, 0x00FF, 0x0100, 0x0101, 0x7FFF, 0x8000, 0xFFFF):
        subject, insider = stage.encrypted()
        inside = (b"\0\1\0\0" * (length // 4 + 1))[:length]
        subject.give(insider.data(b"a record", tlvs=[tlv(PADDING, inside)])).shows(b"a record")
        subject.says(insider, b"still here")
        reply = subject.give(insider.data(b"two records", tlvs=[tlv(PADDING, inside), END]))
        reply.shows(b"two records")
        _finishes(reply, f"a TLV behind one of {length} bytes")


@scenario(requirements=("TLV-FORM-4", "!TLV-FORM-4", "!TLV-FORM-3", "!TLV-FORM-5", "TLV-FORM-5"))
def unknown_types_are_passed_over(stage: Stage) -> None:
    """TLVs of unknown type have no effect, and take none from the text or from the TLVs before and behind them."""
    subject, insider = stage.encrypted()
    for kind in UNKNOWN:
        for value in (b"", b"value", bytes(4)):
            reply = subject.give(insider.data(b"text", tlvs=[tlv(kind, value)]))
            reply.shows(b"text")
            check(not reply.of(Finished), f"type {kind:#x} does not end the session")
    subject.give(insider.data(tlvs=[tlv(kind) for kind in UNKNOWN])).accepts_nothing("TLVs of unknown types")
    subject.says(insider, b"still here")
    _finishes(
        subject.give(insider.data(tlvs=[*(tlv(kind, b"x") for kind in UNKNOWN), END])), "a TLV behind unknown ones"
    )


@scenario(requirements=("TLV-FORM-6", "!TLV-FORM-6"))
def a_nul_alone_is_no_tlv(stage: Stage) -> None:
    """A NUL with nothing behind it is a message without TLVs: the text is shown, nobody is told of an error."""
    subject, insider = stage.encrypted()
    for text in (b"text", b""):
        reply = subject.give(insider.data(text + b"\0"))
        reply.shows(*[text] if text else [])
        check(not reply.noticed, f"an empty list of TLVs is no mistake: {reply}")
        check(not reply.of(Rejected), f"nothing is ignored: {reply}")
    subject.still_talks(insider)


@scenario(requirements=("TLV-FORM-8", "!TLV-FORM-8", "!TLV-SAMPLE-1"))
def records_that_are_cut_short(stage: Stage) -> None:
    """A TLV that is cut short, or stray bytes behind the last one, have no effect, end no session, and what comes later
    is as ever.
    """
    subject, insider = stage.encrypted()
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
        reply = subject.give(insider.data(b"text\0" + records))
        check(not reply.of(Finished), f"{records[:12]!r} does not end the session: {reply}")
        check(reply.secure in ([b"text"], []), f"nothing is shown but the text: {reply}")
        check(len(reply.accepted) == len(reply.secure), f"nothing comes of {records[:12]!r}: {reply}")
        subject.hears(insider, b"the next message")
    subject.still_talks(insider)


@scenario(requirements=("!TLV-FORM-1", "!TLV-END-1"))
def typed_text_makes_no_tlvs(stage: Stage) -> None:
    """A text in which the user has typed a NUL is refused, or sent without making what follows a TLV."""
    subject, insider = stage.encrypted()
    for text in (b"text\0\0\1\0\0", b"\0\0\1\0\0", b"text\0\0\0\0\0\0\1\0\0"):
        for message in subject.user("send", text=text).messages(Kind.DATA):
            found = subject.read(insider, message)
            check(all(one.type != DISCONNECTED for one in found.tlvs), f"what is typed ends no session: {found}")
    subject.still_talks(insider)


@scenario(requirements=("TLV-PADDING-2", "!TLV-PADDING-2"))
def padding_is_ignored(stage: Stage) -> None:
    """Padding of any length and content is neither shown nor acted on."""
    subject, insider = stage.encrypted()
    for value in (b"", b"hello", bytes(1000), b"\0\1\0\0", b"?OTR:", b"\xff" * 0xFFFF):
        for text in (b"text", b""):
            reply = subject.give(insider.data(text, tlvs=[tlv(PADDING, value)] * 2))
            reply.shows(*[text] if text else [])
            check(len(reply.accepted) == len(reply.secure), f"nothing comes of padding: {reply}")
    subject.still_talks(insider)


@scenario(requirements=("TLV-PADDING-1", "!TLV-PADDING-1"))
def padding_that_is_sent(stage: Stage) -> None:
    """What the target adds to a text is whole TLVs; asked for padding, if it can add some, it adds a type 0 TLV of that
    length, and else none of it.
    """
    subject, insider = stage.encrypted()
    for length in (0, 1, 255, 5000):
        plain = subject.read(insider, subject.user("send", text=b"text").message(Kind.DATA))
        _whole(plain, b"text")
        if "lockstep" in stage.target.capabilities:
            check(not plain.tlvs, f"without the wish there is no padding, and there was {plain.tlvs}")
            padded = subject.read(insider, subject.user("send", text=b"text", padding=length).message(Kind.DATA))
            _whole(padded, b"text")
            check([found.length for found in padded.tlvs] == [length], f"there are {length} bytes of padding")


def _whole(plain: Plaintext, text: bytes) -> None:
    check(plain.text == text, f"the text is {text!r}, and was {plain.text!r}")
    cut = [found for found in plain.tlvs if len(found.value) != found.length]
    check(not plain.rest and not cut, "TLVs that are sent are whole")


@scenario(requirements=("TLV-END-1", "!TLV-END-1"))
def the_users_end(stage: Stage) -> None:
    """When the user ends the session the correspondent gets a type 1 TLV, under the keys of the session, which is gone
    then; there is no such TLV before, and none outside a session.
    """
    subject, insider = stage.encrypted()
    before = subject.read(insider, subject.user("send", text=b"before").message(Kind.DATA))
    check(all(found.type != DISCONNECTED for found in before.tlvs), "ordinary messages do not end the session")
    reply = subject.user("end")
    reply.one(Ended)
    tlvs = subject.read(insider, reply.message(Kind.DATA)).tlvs
    check([found.type for found in tlvs].count(DISCONNECTED) == 1, f"the end says so with a type 1 TLV, not {tlvs}")
    subject.give(insider.data(b"too late")).accepts_nothing("a data message after the user's end")
    check(not subject.user("end").messages(Kind.DATA), "without a session there is nothing to end")


def _unlocked(subject: Subject, text: bytes) -> bool:
    """Whether a text of the user's goes out in the clear."""
    return any(text in raw for raw in subject.user("send", text=text).raw)


@scenario(requirements=("TLV-END-2", "!TLV-END-2", "TLV-END-3", "!TLV-END-3", "TLV-END-4", "!TLV-END-4"))
def the_correspondents_end(stage: Stage) -> None:
    """A type 1 TLV, whatever its value, leads to FINISHED: the user is told, the text beside it is shown, nothing more
    is read or sent in the clear until he ends the session as well. Nothing else does.
    """
    for text, value in ((b"", b""), (b"good bye", b""), (b"", b"with a value"), (b"both", bytes(300))):
        subject, insider = stage.encrypted()
        check(not subject.hears(insider, b"before").of(Finished), "a text does not end the session")
        reply = subject.give(insider.data(text, tlvs=[tlv(DISCONNECTED, value)]))
        reply.one(Finished)
        reply.shows(*[text] if text else [])
        subject.give(insider.data(b"too late")).accepts_nothing("a data message after the end")
        check(not _unlocked(subject, b"not in the clear"), "in FINISHED a text does not go out in the clear")
        subject.user("end").one(Ended)
        check(_unlocked(subject, b"in the clear"), "after the user's own end texts go out in the clear")


@scenario(requirements=("!TLV-FORM-5", "!TLV-END-2"))
def what_follows_the_end(stage: Stage) -> None:
    """What stands behind a type 1 TLV in its message does no harm: the session is over, and its keys are not used."""
    for behind in (
        [END],
        [tlv(SMP_ABORT)],
        [tlv(EXTRA_KEY, bytes(4))],
        [tlv(2, smp_value(2, SmpLiar(1).message_1()))],
        [tlv(PADDING, bytes(10)), tlv(0xFFFF), END],
    ):
        subject, insider = stage.encrypted()
        reply = subject.give(insider.data(b"good bye", tlvs=[END, *behind]))
        reply.shows(b"good bye")
        check(bool(reply.of(Finished)), "the session is over")
        subject.give(insider.data(b"too late")).accepts_nothing("a data message after the end")
        check(not subject.user("send", text=b"too late").messages(Kind.DATA), "no data message is sent after the end")
