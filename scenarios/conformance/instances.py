"""Instance tags: who sent a message and who it is for, in every kind of message and in fragments. [Instance Tags]

If a target does not report its tag, the insider learns it from the first message that the target sends, as any client
would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from otterproof.harness import wire
from otterproof.harness.targets.engines import InProcess
from otterproof.harness.testkit.context import ALLOW, TARGET, Context, TargetSession, check
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, Message
from otterproof.harness.wire.signed import SignedMessage
from otterproof.implementations.contract import MIN_INSTANCE_TAG, PartyConfig, SessionEstablished
from otterproof.implementations.entropy import SeededEntropy, TapeEntropy
from otterproof.scenarios.conformance.handshake_play import (
    commit_for_query,
    dh_key_for,
    refused,
    reveal_of,
    signature_of,
)

#: A tag that no client here has.
FOREIGN = 0x0DEFACED


def _conversation(target: TargetSession, insider: Insider) -> None:
    """A conversation: handshakes in both roles, texts, and the end."""
    target.establish(insider)
    target.assert_session_alive(insider)
    target.tick(300)
    target.establish(insider, target_begins=True)
    target.assert_sends_text(insider, b"one more")
    target.user("end")


@scenario(
    versions=(3,),
    requirements=(
        "INSTANCE-HEADER-1",
        "INSTANCE-OWN-1",
        "INSTANCE-OWN-2",
        "INSTANCE-OWN-5",
        "INSTANCE-REPLY-1",
        "INSTANCE-REPLY-2",
        "INSTANCE-ZERO-1",
        "!INSTANCE-ZERO-1",
    ),
)
def every_message_has_both_tags(context: Context) -> None:
    """Every message that the target sends has its own tag and the correspondent's.

    Its own tag stays the same in a handshake and its session. Only a D-H Commit may have receiver tag 0.
    """
    target = context.target_session()
    insider = target.insider()
    _conversation(target, insider)
    encoded = _encoded(target)
    for message in encoded:
        allowed = (0, insider.tag) if message.kind is Kind.DH_COMMIT else (insider.tag,)
        receiver = message.number("receiver_tag")
        right = receiver in allowed
        check_id = "data.wrong-receiver-tag" if message.kind is Kind.DATA else "handshake.wrong-receiver-tag"
        check(check_id, right, expected=_hex(*allowed), got=_hex(receiver), case=message.kind)


def _encoded(target: TargetSession) -> list[Message]:
    """The encoded messages of a whole conversation, of all five kinds."""
    encoded = [message for message in target.replies(0, TARGET).sent if message.kind in wire.ENCODED]
    kinds = {message.kind for message in encoded}
    all_five = len(kinds) == 5
    check("handshake.wrong-messages-sent", all_five, expected="all five kinds of encoded messages", got=sorted(kinds))
    return encoded


def _hex(*tags: int) -> str:
    """Instance tags as they are usually written; several are alternatives."""
    return " or ".join(f"{tag:#x}" for tag in sorted(tags))


@scenario(versions=(2,), requirements=("INSTANCE-HEADER-3", "!INSTANCE-HEADER-3"))
def version_2_has_no_tags(context: Context) -> None:
    """Version 2 messages of all five kinds have no tags, and messages with tags are not acted on."""
    target = context.target_session()
    insider = target.insider()
    dh_key = dh_key_for(target, insider)
    for name, genuine in (("D-H Commit", insider.commit()), ("Reveal Signature", reveal_of(insider, dh_key).raw)):
        body = wire.parse(genuine).body
        tagged = wire.armour(body[:3] + (0x2B2B).to_bytes(4) + bytes(4) + body[3:])
        refused(target.receive(tagged), "instance.tags-in-version-2-accepted", f"a version 2 {name} Message with tags")
    target = context.target_session()
    _conversation(target, target.insider())


@scenario(
    needs=("fragmentation_out",),
    requirements=("INSTANCE-HEADER-2", "INSTANCE-HEADER-3", "INSTANCE-RANGE-1", "INSTANCE-OWN-5"),
)
def fragments_of_the_target_have_its_tags(context: Context) -> None:
    """Version 3 fragments have both tags of the message that they are cut from; version 2 fragments have none."""
    target = context.target_session(max_message_size=200, instance_tag=0xFEDCBA98)
    insider = target.insider(tag=0xFFFFFFFE)
    if "instance_tags" in context.target.capabilities:
        insider.target_tag = 0xFEDCBA98
    _conversation(target, insider)
    pieces = [wire.parse(raw) for raw in target.replies(0, TARGET).raw if raw.startswith((b"?OTR|", b"?OTR,"))]
    check("fragment.not-used", len(pieces) > 5, expected="more than five fragments", got=len(pieces))
    form = Kind.FRAGMENT_V3 if context.version == 3 else Kind.FRAGMENT_V2
    for piece in pieces:
        check("fragment.sent-in-wrong-form", piece.kind is form, expected=form, got=piece)
        check("fragment.sent-in-wrong-form", not piece.problems, expected=form, got=piece.problems)
        if context.version == 3:
            tags = int(piece.data("sender_tag"), 16), int(piece.data("receiver_tag"), 16)
            right = tags[0] == insider.target_tag and tags[1] in (0, insider.tag)
            wanted = f"{insider.target_tag:#x} to {insider.tag:#x} or 0"
            check("fragment.wrong-tags-sent", right, expected=wanted, got=f"{tags[0]:#x} to {tags[1]:#x}")


@scenario(versions=(3,), requirements=("!INSTANCE-HEADER-1", "!INSTANCE-HEADER-2", "!INSTANCE-OWN-1"))
def messages_without_tags(context: Context) -> None:
    """A version 3 message without tags, or with tags cut short, is not acted on; nor are fragments without tags.

    The same messages with tags are.
    """
    target = context.target_session()
    insider = target.insider()
    target.user("start")
    commit = insider.commit()
    body = wire.parse(commit).body
    for size in (0, 2, 4, 6, 7):
        refused(
            target.receive(wire.armour(body[: 3 + size] + body[11:])),
            "instance.missing-tags-accepted",
            f"a D-H Commit Message with {size} of 8 bytes of tags",
        )
        refused(
            target.receive(wire.armour(body[: 3 + size])),
            "instance.missing-tags-accepted",
            f"a D-H Commit Message that ends after {size} of 8 bytes of tags",
        )
    half = len(commit) // 2
    for number, piece in enumerate((commit[:half], commit[half:]), start=1):
        refused(
            target.receive(b"?OTR|%d,2,%b," % (number, piece)),
            "instance.fragment-without-tags-accepted",
            "a version 3 fragment without tags",
        )
    _reveal(target, insider)


def _reveal(target: TargetSession, insider: Insider) -> None:
    """A whole handshake that the insider begins; texts arrive."""
    dh_key = target.receive(insider.commit()).message(Kind.DH_KEY)
    target.receive(reveal_of(insider, dh_key).raw).one(SessionEstablished)
    target.assert_session_alive(insider)


@scenario(versions=(3,), requirements=("INSTANCE-OWN-2", "INSTANCE-OWN-4"))
def own_tags_are_random(context: Context) -> None:
    """Clients without a given tag each draw a different one, of 0x100 or more."""
    tags = []
    for number in range(6):
        with context.case(f"number {number}"):
            context.seed += b"%d" % number
            target = context.target_session(instance_tag=None)
            tags.append(commit_for_query(target).number("sender_tag"))
    different, drawn = len(set(tags)) == len(tags), [f"{tag:#x}" for tag in tags]
    check("instance.tag-drawn-twice", different, expected=f"{len(tags)} different tags", got=drawn)


@scenario(versions=(3,), needs=("lockstep",), requirements=("INSTANCE-OWN-2", "!INSTANCE-OWN-2"))
def small_tag_is_drawn_again(context: Context) -> None:
    """A drawn tag below 0x100 is not kept. (Engines only: their random numbers can be chosen.)"""
    if not isinstance(context.target, InProcess):
        return
    config = PartyConfig(context.target_session().header.parties[TARGET].config.key, ALLOW[3])
    for low in (0, 1, 0xFF):
        tape = TapeEntropy({("instance_tag", 0): low.to_bytes(4)}, SeededEntropy(context.seed))
        tag = context.target.engine(config, tape).instance_tag
        drawn_again = tag >= MIN_INSTANCE_TAG
        check("instance.own-tag-too-small", drawn_again, expected="0x100 or more", got=_hex(tag), case=_hex(low))
    tape = TapeEntropy({("instance_tag", 0): MIN_INSTANCE_TAG.to_bytes(4)}, SeededEntropy(context.seed))
    tag = context.target.engine(config, tape).instance_tag
    kept = tag == MIN_INSTANCE_TAG
    check("instance.smallest-tag-not-kept", kept, expected=_hex(MIN_INSTANCE_TAG), got=_hex(tag))


# ---- messages that are discarded ------------------------------------------------------------------------------------

#: Sender and receiver tag to use in place of the right ones.
Tags = tuple[int, int]


def _moments(
    context: Context, tag: int = 0x2B2B, check_id: str = ""
) -> Iterator[tuple[TargetSession, Callable[[Tags | None], bytes], str]]:
    """Each kind of message that a target can receive, in the state for it, as a function that makes it with other tags.

    Before the next kind the target gets the genuine message, which must take effect. check_id: the check that fails if
    a handshake message does not, in scenarios about the tag.
    """
    case = f"a client with tag {tag:#x}" if check_id else ""
    target = context.target_session()
    insider = target.insider(tag=tag)
    target.user("start")
    if not insider.knows_target_tag:
        target.receive(insider.commit())  # learn the tag
    yield target, lambda tags: _tagged(insider.commit(receiver=insider.target_tag), tags), "D-H Commit"
    reveal = reveal_of(insider, target.receive(insider.commit()).message(Kind.DH_KEY, check_id, case=case))
    yield target, lambda tags: _tagged(reveal.raw, tags), "Reveal Signature"
    target.receive(reveal.raw).one(SessionEstablished, check_id, case=case)
    yield target, lambda tags: _data(insider, tags), "Data"
    target.assert_session_alive(insider)

    target = context.target_session()
    other = target.insider(tag=tag)
    commit = commit_for_query(target)
    yield target, lambda tags: _tagged(other.dh_key(), tags), "D-H Key"
    answer = target.receive(other.dh_key()).message(Kind.REVEAL_SIGNATURE, check_id, case=case)
    signature = signature_of(other, commit, answer)
    yield target, lambda tags: _tagged(signature.raw, tags), "Signature"
    target.receive(signature.raw).one(SessionEstablished, check_id, case=case)
    target.assert_session_alive(other)


def _tagged(message: bytes, tags: Tags | None) -> bytes:
    if tags is None:
        return message
    return wire.build(wire.parse(message).with_value("sender_tag", tags[0]).with_value("receiver_tag", tags[1]))


def _data(insider: Insider, tags: Tags | None) -> bytes:
    """A Data Message with these tags, and a MAC that is right for them."""
    own = insider.tag, insider.target_tag
    insider.tag, insider.target_tag = tags or own
    message = insider.data(b"from whom, for whom?")
    insider.tag, insider.target_tag = own
    return message


def _are_discarded(context: Context, check_id: str, wrong: Callable[[int, int], list[Tags]]) -> None:
    """Demand that all messages and fragments with wrong tags are discarded. wrong: from right tags to wrong ones."""
    for subject, make, kind in _moments(context):
        with context.case(kind):
            genuine = wire.parse(make(None))
            for tags in wrong(genuine.number("sender_tag"), genuine.number("receiver_tag")):
                case = f"a {kind} Message from {tags[0]:#x} to {tags[1]:#x}"
                subject.receive(make(tags)).assert_ignored(check_id, case)
    subject = context.target_session()
    insider = subject.insider()
    subject.user("start")
    target = insider.target_tag if insider.knows_target_tag else commit_for_query(subject).number("sender_tag")
    commit = insider.commit()
    for tags in wrong(insider.tag, target):
        in_fragments = check_id if tags[1] == target else "fragment.for-another-client-accepted"
        for piece in wire.fragment(commit, 150, 3, tags):
            subject.receive(piece).assert_ignored(in_fragments, f"a fragment from {tags[0]:#x} to {tags[1]:#x}")


@scenario(
    versions=(3,),
    requirements=(
        "INSTANCE-DISCARD-1",
        "!INSTANCE-DISCARD-1",
        "INSTANCE-DISCARD-4",
        "!INSTANCE-DISCARD-4",
        "INSTANCE-DISCARD-5",
        "!INSTANCE-RANGE-1",
        "!COMMIT-FORM-5",
        "!DHKEY-FORM-5",
        "!REVEAL-FORM-5",
        "!SIG-FORM-5",
    ),
)
def message_for_another_client(context: Context) -> None:
    """A message of any kind, or a fragment, whose receiver tag differs from the target's even in one bit is discarded.

    It gets no answer and shows no text, and the genuine message still takes effect.
    """
    _are_discarded(
        context,
        "instance.for-another-client-not-discarded",
        lambda sender, own: [(sender, tag) for tag in (FOREIGN, own ^ 1 << 31, own ^ 1 << 12)],
    )


@scenario(
    versions=(3,),
    requirements=(
        "INSTANCE-DISCARD-2",
        "!INSTANCE-DISCARD-2",
        "INSTANCE-DISCARD-4",
        "!INSTANCE-DISCARD-5",
        "!COMMIT-FORM-4",
        "!DHKEY-FORM-4",
        "!REVEAL-FORM-4",
        "!SIG-FORM-4",
    ),
)
def sender_tag_below_0x100(context: Context) -> None:
    """A message of any kind, or a fragment, whose sender tag is below 0x100 is discarded and leaves no trace."""
    small = "instance.small-sender-tag-not-discarded"
    _are_discarded(context, small, lambda _, own: [(0, own), (1, own), (0xFF, own)])


@scenario(
    versions=(3,),
    requirements=("INSTANCE-DISCARD-3", "!INSTANCE-DISCARD-3", "INSTANCE-DISCARD-4", "!INSTANCE-DISCARD-5"),
)
def receiver_tag_below_0x100(context: Context) -> None:
    """A message of any kind, or a fragment, whose receiver tag is from 1 to 0xff is discarded and leaves no trace."""
    small = "instance.small-receiver-tag-not-discarded"
    _are_discarded(context, small, lambda sender, _: [(sender, tag) for tag in (1, 0x80, 0xFF)])


@scenario(versions=(3,), requirements=("INSTANCE-ZERO-2", "!INSTANCE-ZERO-2"))
def commit_with_receiver_tag_0_is_answered(context: Context) -> None:
    """A D-H Commit with receiver tag 0 or the target's own tag is answered; one with another client's tag is not."""
    for receiver in (0, None, FOREIGN):
        with context.case():
            target = context.target_session()
            insider = target.insider()
            target.user("start")
            if not insider.knows_target_tag:
                target.receive(insider.commit())
            reply = target.receive(insider.commit(receiver=insider.target_tag if receiver is None else receiver))
            if receiver == FOREIGN:
                case = "a D-H Commit Message for another client"
                reply.assert_ignored("instance.for-another-client-not-discarded", case)
            else:
                check_id = "instance.receiver-tag-0-refused" if receiver == 0 else "handshake.commit-not-answered"
                target.receive(reveal_of(insider, reply.message(Kind.DH_KEY, check_id)).raw).one(SessionEstablished)
                target.assert_session_alive(insider)


@scenario(versions=(3,), needs=("lockstep",), requirements=("INSTANCE-ZERO-3", "!INSTANCE-ZERO-3"))
def receiver_tag_0_is_only_for_commits(context: Context) -> None:
    """Receiver tag 0 is for the D-H Commit only: other messages with it are discarded.

    The genuine ones still take effect. (Engines only: in another reading of the text, other messages may have it, too.)
    """
    for target, make, kind in _moments(context):
        with context.case(kind):
            if kind != "D-H Commit":
                sender = wire.parse(make(None)).number("sender_tag")
                case = f"a {kind} Message with receiver tag 0"
                target.receive(make((sender, 0))).assert_ignored("instance.receiver-tag-0-not-discarded", case)


@scenario(versions=(3,), needs=("lockstep",), requirements=("INSTANCE-DISCARD-4", "!INSTANCE-DISCARD-4"))
def discarded_message_among_fragments(context: Context) -> None:
    """A message for another client, or with invalid tags, between two fragments does not clear the first fragment.

    (Engines only: in another reading of the text it does.)
    """
    target = context.target_session()
    insider = target.insider()
    commit = insider.commit()
    first, second = wire.fragment(commit, len(commit) // 2 + 60, 3, (insider.tag, insider.target_tag))
    for tags in ((insider.tag, FOREIGN), (insider.tag, 7), (7, insider.target_tag)):
        target.receive(first)
        check_id = "instance.discarded-message-disturbs"
        case = f"a D-H Commit Message from {tags[0]:#x} to {tags[1]:#x}"
        target.receive(_tagged(insider.commit(), tags)).assert_ignored(check_id, case)
        target.receive(second).assert_sent(check_id, Kind.DH_KEY, case=f"the second fragment after {case}")


@scenario(versions=(3,), requirements=("INSTANCE-RANGE-1",))
def tags_of_all_sizes(context: Context) -> None:
    """Handshakes with clients that have tags from 0x100 to 0xffffffff complete in both roles, also in fragments."""
    check_id = "instance.tag-size-matters"
    for tag in (0x100, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        with context.case(f"tag {tag}"):
            for _ in _moments(context, tag, check_id):
                pass
            target = context.target_session()
            insider = target.insider(tag=tag)
            target.user("start")
            pieces = wire.fragment(insider.commit(), 150, 3, (tag, 0))
            case = f"fragments with tag {tag:#x}"
            for piece in pieces[:-1]:
                target.receive(piece).assert_sent("fragment.acted-on-too-early")
            dh_key = target.receive(pieces[-1]).message(Kind.DH_KEY, check_id, case=case)
            genuine: SignedMessage = reveal_of(insider, dh_key)
            for piece in wire.fragment(genuine.raw, 200, 3, (tag, insider.target_tag))[:-1]:
                target.receive(piece).assert_sent("fragment.acted-on-too-early")
            last = wire.fragment(genuine.raw, 200, 3, (tag, insider.target_tag))[-1]
            target.receive(last).one(SessionEstablished, check_id, case=case)


@scenario(
    versions=(3,), needs=("instance_tags",), requirements=("INSTANCE-RANGE-1", "INSTANCE-OWN-1", "INSTANCE-OWN-5")
)
def own_tags_of_all_sizes(context: Context) -> None:
    """A target with the smallest or the largest tag receives messages under it, and uses no other tag."""
    for tag in (0x100, 0x80000000, 0xFFFFFFFF):
        with context.case(f"tag {tag}"):
            target = context.target_session(instance_tag=tag)
            insider = target.insider()
            insider.target_tag = tag
            target.establish(insider)
            target.assert_session_alive(insider)
