"""Probes of readings on queries, whitespace tags and fragments. [Unencoded messages, Fragmentation]"""

from __future__ import annotations

from harness import wire
from harness.reading import reading
from harness.stage import ALLOW, PEER_TAG, Stage, check
from harness.wire import TAG_BASE, TAG_VERSIONS, Kind
from harness.wire.layers import tlv
from implementations.contract import Policy


def tag(stage: Stage) -> bytes:
    return TAG_BASE + TAG_VERSIONS[stage.version]


@reading("QUERY-POSITION")
def a_query_within_text(stage: Stage) -> str:
    query = b'<a title="?OTRv%d?">private?</a>' % stage.version
    return "anywhere" if stage.subject().give(query).messages(Kind.DH_COMMIT) else "start"


@reading("QUERY-CLOSING")
def a_query_without_its_end(stage: Stage) -> str:
    forms = (b"?OTRv%d", b"?OTRv%d please")
    taken = [stage.subject().give(form % stage.version).messages(Kind.DH_COMMIT) for form in forms]
    return "optional" if any(taken) else "required"


@reading("QUERY-ENCRYPTED")
def a_query_in_a_session(stage: Stage) -> str:
    subject, _ = stage.encrypted()
    if subject.query().messages(Kind.DH_COMMIT):
        return "start"
    if "time" in stage.target.capabilities:
        subject.tick(120)
        if subject.query().messages(Kind.DH_COMMIT):
            return "limited"
    return "refuse"


@reading("QUERY-SHOWN")
def the_text_of_a_query(stage: Stage) -> str:
    reply = stage.subject().give(b"?OTRv%d? Alice asks for a private conversation." % stage.version)
    return "show" if reply.clear else "hide"


@reading("TAG-ENCRYPTED", needs=("policy", "whitespace_tag"))
def a_tag_in_a_session(stage: Stage) -> str:
    policy = ALLOW[stage.version] | Policy.WHITESPACE_START_AKE
    answers = []
    for ended in (False, True):
        subject, insider = stage.encrypted(policy=policy)
        if ended:
            subject.give(insider.data(tlvs=[tlv(1)]))
        answers.append(bool(subject.give(b"hello" + tag(stage)).messages(Kind.DH_COMMIT)))
    check(len(set(answers)) == 1, f"a tag means the same in ENCRYPTED and in FINISHED: {answers}")
    return "start" if answers[0] else "ignore"


@reading("TAG-UNKNOWN", needs=("policy", "whitespace_tag"))
def a_tag_with_an_unknown_group(stage: Stage) -> str:
    policy = ALLOW[stage.version] | Policy.WHITESPACE_START_AKE

    def starts(between: bytes) -> bool:
        text = b"a" + TAG_BASE + between + TAG_VERSIONS[stage.version]
        return bool(stage.subject(policy=policy).give(text).messages(Kind.DH_COMMIT))

    if starts(b"x"):
        return "search"
    return "skip" if starts(b"\t" * 8) else "stop"


@reading("TAG-REMOVED", needs=("whitespace_tag",))
def blanks_after_a_tag(stage: Stage) -> str:
    (shown,) = stage.subject().give(b"a" + tag(stage) + b" " * 8 + b"b").clear
    check(shown in (b"ab", b"a" + b" " * 8 + b"b"), f"the tag is taken out of the text: {shown!r}")
    return "groups" if shown == b"ab" else "known"


@reading("TAG-COUNTS", needs=("policy", "whitespace_tag"))
def tagged_text_as_text(stage: Stage) -> str:
    subject = stage.subject(policy=ALLOW[stage.version] | Policy.SEND_WHITESPACE_TAG)
    subject.give(b"hello" + tag(stage))
    return "not" if subject.user("send", text=b"hello").messages(Kind.TAGGED_PLAINTEXT) else "counts"


@reading("TAG-STARTED", needs=("policy", "whitespace_tag"))
def what_ends_the_sending_of_tags(stage: Stage) -> str:
    subject = stage.subject(policy=ALLOW[stage.version] | Policy.SEND_WHITESPACE_TAG)
    subject.give(b"?OTRv9?")
    subject.give(b"?OTR Error: x")
    return "text" if subject.user("send", text=b"hello").messages(Kind.TAGGED_PLAINTEXT) else "all"


def pieces(stage: Stage, message: bytes, count: int, sender: int = PEER_TAG) -> list[bytes]:
    """A message in so many fragments, for everybody."""
    head = 36 if stage.version == 3 else 18
    return wire.fragment(message, head + -(-len(message) // count), stage.version, (sender, 0))


@reading("FRAGMENT-ILLEGAL")
def fragments_with_impossible_numbers(stage: Stage) -> str:
    answers = []
    for numbers in (b"00000,00003", b"00002,00000", b"00004,00003"):
        subject = stage.subject()
        subject.user("start")
        first, second, third = pieces(stage, subject.insider().commit(), 3)
        illegal = second.replace(b"00002,00003", numbers)
        answers.append([subject.give(one).messages(Kind.DH_KEY) for one in (first, illegal, second, third)][-1])
    check(len({bool(one) for one in answers}) == 1, "impossible numbers of each kind are treated alike")
    return "keep" if answers[0] else "forget"


@reading("FRAGMENT-NUMBERS")
def fragments_with_odd_numbers(stage: Stage) -> str:
    for odd in (b"+0001,00002", b" 0001,00002", b"65537,00002", b"00001,65538"):
        subject = stage.subject()
        subject.user("start")
        first, second = pieces(stage, subject.insider().commit(), 2)
        n = odd.partition(b",")[2] if odd.endswith(b"38") else b"00002"
        subject.give(first.replace(b"00001,00002", odd))
        if subject.give(second.replace(b"00002,00002", b"00002," + n)).messages(Kind.DH_KEY):
            return "scanf"
    return "strict"


@reading("FRAGMENT-STREAMS")
def fragments_of_two_senders(stage: Stage) -> str:
    subject = stage.subject()
    subject.user("start")
    one, other = subject.insider(), subject.insider("carol", tag=0x3C3C, seed=b"other")
    a, b = pieces(stage, one.commit(), 2), pieces(stage, other.commit(), 2, 0x3C3C)
    alternately = [subject.give(piece) for piece in (a[0], b[0], a[1], b[1])]
    both = all(alternately[at].messages(Kind.DH_KEY) for at in (2, 3))
    subject = stage.subject()
    subject.user("start")
    around = [subject.give(piece) for piece in (a[0], other.commit(), a[1])]
    return "each" if both and around[2].messages(Kind.DH_KEY) else "one"


@reading("FRAGMENT-DISCARDED")
def a_message_for_others_between_fragments(stage: Stage) -> str:
    subject = stage.subject()
    subject.user("start")
    insider = subject.insider()
    first, second = pieces(stage, insider.commit(), 2)
    subject.give(first)
    subject.give(insider.commit(receiver=0x7777))
    return "keep" if subject.give(second).messages(Kind.DH_KEY) else "forget"


@reading("FRAGMENT-NESTED")
def a_fragment_within_fragments(stage: Stage) -> str:
    subject = stage.subject()
    subject.user("start")
    (inner,) = pieces(stage, subject.insider().commit(), 1)
    head, _, rest = inner.partition(b"?OTR")
    middle = len(rest) // 2
    marks = b"?OTR|%x|0" % PEER_TAG if stage.version == 3 else b"?OTR"
    outer = [b"%s,%d,2,%s," % (marks, k, part) for k, part in ((1, b"?OTR" + rest[:middle]), (2, rest[middle:]))]
    replies = [subject.give(head + piece) for piece in outer]
    return "process" if any(reply.messages(Kind.DH_KEY) for reply in replies) else "refuse"
