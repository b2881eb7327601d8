"""Probes of the readings on queries, whitespace tags and fragments. [Unencoded messages, Fragmentation]"""

from __future__ import annotations

from otterproof.harness import wire
from otterproof.harness.testkit.context import ALLOW, PEER_TAG, Context, check
from otterproof.harness.testkit.probe import reading, same_answer
from otterproof.harness.wire import TAG_BASE, TAG_VERSIONS, Kind
from otterproof.harness.wire.layers import tlv
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import Policy


def tag(context: Context) -> bytes:
    return TAG_BASE + TAG_VERSIONS[context.version]


@reading("QUERY-POSITION")
def a_query_within_text(context: Context) -> str:
    query = b'<a title="?OTRv%d?">private?</a>' % context.version
    return "anywhere" if context.target_session().receive(query).messages(Kind.DH_COMMIT) else "start"


@reading("QUERY-CLOSING")
def unterminated_query(context: Context) -> str:
    forms = (b"?OTRv%d", b"?OTRv%d please")
    taken = [context.target_session().receive(form % context.version).messages(Kind.DH_COMMIT) for form in forms]
    return "optional" if any(taken) else "required"


@reading("QUERY-ENCRYPTED")
def a_query_in_a_session(context: Context) -> str:
    target, _ = context.encrypted()
    if target.query().messages(Kind.DH_COMMIT):
        return "start"
    if "time" in context.target.capabilities:
        target.tick(120)
        if target.query().messages(Kind.DH_COMMIT):
            return "limited"
    return "refuse"


@reading("QUERY-SHOWN")
def the_text_of_a_query(context: Context) -> str:
    reply = context.target_session().receive(b"?OTRv%d? Alice asks for a private conversation." % context.version)
    return "show" if reply.clear else "hide"


@reading("TAG-ENCRYPTED", needs=("policy", "whitespace_tag"))
def a_tag_in_a_session(context: Context) -> str:
    policy = ALLOW[context.version] | Policy.WHITESPACE_START_AKE
    answers = []
    for ended in (False, True):
        target, insider = context.encrypted(policy=policy)
        if ended:
            target.receive(insider.data(tlvs=[tlv(1)]))
        answer = target.receive(b"hello" + tag(context))
        answers.append("start" if answer.messages(Kind.DH_COMMIT) else "ignore")
    return same_answer(answers, "a tag in ENCRYPTED and in FINISHED")


@reading("TAG-UNKNOWN", needs=("policy", "whitespace_tag"))
def a_tag_with_an_unknown_group(context: Context) -> str:
    policy = ALLOW[context.version] | Policy.WHITESPACE_START_AKE

    def starts(between: bytes) -> bool:
        text = b"a" + TAG_BASE + between + TAG_VERSIONS[context.version]
        return bool(context.target_session(policy=policy).receive(text).messages(Kind.DH_COMMIT))

    if starts(b"x"):
        return "search"
    return "skip" if starts(b"\t" * 8) else "stop"


@reading("TAG-REMOVED", needs=("whitespace_tag",))
def blanks_after_a_tag(context: Context) -> str:
    reply = context.target_session().receive(b"a" + tag(context) + b" " * 8 + b"b")
    removed, kept = b"ab", b"a" + b" " * 8 + b"b"
    right = reply.clear in ([removed], [kept])
    check("tag.not-taken-out", right, expected=f"{shown(removed)} or {shown(kept)}", got=reply)
    return "groups" if reply.clear == [removed] else "known"


@reading("TAG-COUNTS", needs=("policy", "whitespace_tag"))
def tagged_text_as_text(context: Context) -> str:
    target = context.target_session(policy=ALLOW[context.version] | Policy.SEND_WHITESPACE_TAG)
    target.receive(b"hello" + tag(context))
    return "not" if target.user("send", text=b"hello").messages(Kind.TAGGED_PLAINTEXT) else "counts"


@reading("TAG-STARTED", needs=("policy", "whitespace_tag"))
def when_tags_stop(context: Context) -> str:
    target = context.target_session(policy=ALLOW[context.version] | Policy.SEND_WHITESPACE_TAG)
    target.receive(b"?OTRv9?")
    target.receive(b"?OTR Error: x")
    return "text" if target.user("send", text=b"hello").messages(Kind.TAGGED_PLAINTEXT) else "all"


def pieces(context: Context, message: bytes, count: int, sender: int = PEER_TAG) -> list[bytes]:
    """A message in so many fragments, addressed to any client."""
    head = 36 if context.version == 3 else 18
    return wire.fragment(message, head + -(-len(message) // count), context.version, (sender, 0))


@reading("FRAGMENT-ILLEGAL")
def fragments_with_impossible_numbers(context: Context) -> str:
    answers = []
    for numbers in (b"00000,00003", b"00002,00000", b"00004,00003"):
        target = context.target_session()
        target.user("start")
        first, second, third = pieces(context, target.insider().commit(), 3)
        illegal = second.replace(b"00002,00003", numbers)
        last = [target.receive(one) for one in (first, illegal, second, third)][-1]
        answers.append("keep" if last.messages(Kind.DH_KEY) else "forget")
    return same_answer(answers, "fragments with k = 0, n = 0 and k above n")


@reading("FRAGMENT-MALFORMED")
def fragments_without_numbers(context: Context) -> str:
    target = context.target_session()
    target.user("start")
    first, second = pieces(context, target.insider().commit(), 2)
    malformed = second.replace(b"00002,00002", b"two,two")
    last = [target.receive(one) for one in (first, malformed, second)][-1]
    return "keep" if last.messages(Kind.DH_KEY) else "forget"


@reading("FRAGMENT-EMPTY")
def an_empty_piece(context: Context) -> str:
    target = context.target_session()
    target.user("start")
    first, second = pieces(context, target.insider().commit(), 2)
    marks = first.partition(b",")[0]
    parts = (first.replace(b"00001,00002", b"00001,00003"), marks + b",00002,00003,,")
    last = [target.receive(one) for one in (*parts, second.replace(b"00002,00002", b"00003,00003"))][-1]
    return "accept" if last.messages(Kind.DH_KEY) else "refuse"


@reading("FRAGMENT-NUMBERS")
def fragments_with_odd_numbers(context: Context) -> str:
    for odd in (b"+0001,00002", b" 0001,00002", b"65537,00002", b"00001,65538"):
        target = context.target_session()
        target.user("start")
        first, second = pieces(context, target.insider().commit(), 2)
        n = odd.partition(b",")[2] if odd.endswith(b"38") else b"00002"
        target.receive(first.replace(b"00001,00002", odd))
        if target.receive(second.replace(b"00002,00002", b"00002," + n)).messages(Kind.DH_KEY):
            return "scanf"
    return "strict"


@reading("FRAGMENT-STREAMS")
def fragments_of_two_senders(context: Context) -> str:
    target = context.target_session()
    target.user("start")
    one, other = target.insider(), target.insider("carol", tag=0x3C3C, seed=b"other")
    a, b = pieces(context, one.commit(), 2), pieces(context, other.commit(), 2, 0x3C3C)
    alternately = [target.receive(piece) for piece in (a[0], b[0], a[1], b[1])]
    both = all(alternately[at].messages(Kind.DH_KEY) for at in (2, 3))
    target = context.target_session()
    target.user("start")
    around = [target.receive(piece) for piece in (a[0], other.commit(), a[1])]
    return "each" if both and around[2].messages(Kind.DH_KEY) else "one"


@reading("FRAGMENT-DISCARDED")
def discarded_message_between_fragments(context: Context) -> str:
    target = context.target_session()
    target.user("start")
    insider = target.insider()
    first, second = pieces(context, insider.commit(), 2)
    target.receive(first)
    target.receive(insider.commit(receiver=0x7777))
    return "keep" if target.receive(second).messages(Kind.DH_KEY) else "forget"


@reading("FRAGMENT-NESTED")
def a_fragment_within_fragments(context: Context) -> str:
    target = context.target_session()
    target.user("start")
    (inner,) = pieces(context, target.insider().commit(), 1)
    head, _, rest = inner.partition(b"?OTR")
    middle = len(rest) // 2
    marks = b"?OTR|%x|0" % PEER_TAG if context.version == 3 else b"?OTR"
    outer = [b"%s,%d,2,%s," % (marks, k, part) for k, part in ((1, b"?OTR" + rest[:middle]), (2, rest[middle:]))]
    replies = [target.receive(head + piece) for piece in outer]
    return "process" if any(reply.messages(Kind.DH_KEY) for reply in replies) else "refuse"
