"""Instance tags: whose message it is and whom it is for, in every kind of message and in fragments. [Instance Tags]

Where a target does not tell its tag, the insider learns it from the first message that it sends, as others would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from otterproof.harness import wire
from otterproof.harness.targets.engines import InProcess
from otterproof.harness.testkit.context import ALLOW, TARGET, Context, TargetSession, check
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind
from otterproof.implementations.contract import MIN_INSTANCE_TAG, Established, PartyConfig
from otterproof.implementations.entropy import SeededEntropy, TapeEntropy
from otterproof.scenarios.conformance.handshake_play import (
    Genuine,
    commit_for_query,
    dh_key_for,
    refused,
    reveal_of,
    signature_of,
)

#: A tag that is nobody's here.
FOREIGN = 0x0DEFACED


def _conversation(target: TargetSession, insider: Insider) -> None:
    """Handshakes in both roles, texts, and the end."""
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
    """All that the target sends in a conversation has its own tag, always the same, and the correspondent's; only a D-H
    Commit may have none for the receiver.
    """
    target = context.target_session()
    insider = target.insider()
    _conversation(target, insider)
    encoded = [message for message in target.replies(0, TARGET).sent if message.kind in wire.ENCODED]
    kinds = {message.kind for message in encoded}
    check(len(kinds) == 5, f"the conversation has messages of all five kinds, and had {sorted(kinds)}")
    own = {message.number("sender_tag") for message in encoded}
    told = target.world.parties[TARGET].instance_tag
    check(len(own) == 1, f"the sender tag is always the same, and there were {sorted(own)}")
    check(told in (0, *own) and min(own) >= MIN_INSTANCE_TAG, f"it is the target's own, {told:#x}, and large enough")
    for message in encoded:
        allowed = (0, insider.tag) if message.kind is Kind.DH_COMMIT else (insider.tag,)
        receiver = message.number("receiver_tag")
        check(receiver in allowed, f"a {message.kind} is addressed to the correspondent, not to {receiver:#x}")


@scenario(versions=(2,), requirements=("INSTANCE-HEADER-3", "!INSTANCE-HEADER-3"))
def version_2_has_no_tags(context: Context) -> None:
    """Messages of version 2 have no tags, in all five kinds; those that have some are not acted upon."""
    target = context.target_session()
    insider = target.insider()
    dh_key = dh_key_for(target, insider)
    for name, genuine in (("D-H Commit", insider.commit()), ("Reveal Signature", reveal_of(insider, dh_key).raw)):
        body = wire.parse(genuine).body
        tagged = wire.armour(body[:3] + (0x2B2B).to_bytes(4) + bytes(4) + body[3:])
        refused(target.receive(tagged), "instance.tags-in-version-2-accepted", f"a {name} of version 2 with tags")
    target = context.target_session()
    _conversation(target, target.insider())
    encoded = [message for message in target.replies(0, TARGET).sent if message.kind in wire.ENCODED]
    kinds = {message.kind for message in encoded}
    check(len(kinds) == 5, f"the conversation has messages of all five kinds, and had {sorted(kinds)}")
    for message in encoded:
        check(not message.problems, f"a {message.kind} has the fields of version 2: {message.problems}")


@scenario(
    needs=("fragmentation_out",),
    requirements=("INSTANCE-HEADER-2", "INSTANCE-HEADER-3", "INSTANCE-RANGE-1", "INSTANCE-OWN-5"),
)
def fragments_of_the_target_have_its_tags(context: Context) -> None:
    """Fragments of version 3 have the two tags of the message that they are cut from; those of version 2 have none."""
    target = context.target_session(max_message_size=200, instance_tag=0xFEDCBA98)
    insider = target.insider(tag=0xFFFFFFFE)
    insider.target_tag = insider.target_tag and 0xFEDCBA98
    _conversation(target, insider)
    pieces = [wire.parse(raw) for raw in target.replies(0, TARGET).raw if raw.startswith((b"?OTR|", b"?OTR,"))]
    check(len(pieces) > 5, "long messages come in fragments")
    for piece in pieces:
        check(
            piece.kind is (Kind.FRAGMENT_V3 if context.version == 3 else Kind.FRAGMENT_V2), "of the session's version"
        )
        check(not piece.problems, f"a fragment has the form of its version: {piece.problems}")
        if context.version == 3:
            tags = int(piece.data("sender_tag"), 16), int(piece.data("receiver_tag"), 16)
            right = tags[0] == insider.target_tag and tags[1] in (0, insider.tag)
            check(right, f"a fragment has both tags, and had {tags[0]:#x} and {tags[1]:#x}")


@scenario(versions=(3,), requirements=("!INSTANCE-HEADER-1", "!INSTANCE-HEADER-2", "!INSTANCE-OWN-1"))
def messages_without_tags(context: Context) -> None:
    """A message of version 3 without tags, or with tags cut short, and fragments without tags, are not acted
    upon; the same with tags are.
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
            f"a commit with {size} of 8 bytes of tags",
        )
        refused(
            target.receive(wire.armour(body[: 3 + size])),
            "instance.missing-tags-accepted",
            f"a commit that ends after {size} of 8 bytes of tags",
        )
    half = len(commit) // 2
    for number, piece in enumerate((commit[:half], commit[half:]), start=1):
        refused(
            target.receive(b"?OTR|%d,2,%b," % (number, piece)),
            "instance.fragment-without-tags-accepted",
            "a fragment of version 3 without tags",
        )
    _reveal(target, insider)


def _reveal(target: TargetSession, insider: Insider) -> None:
    """A whole handshake that the insider begins; texts arrive."""
    dh_key = target.receive(insider.commit()).message(Kind.DH_KEY)
    target.receive(reveal_of(insider, dh_key).raw).one(Established)
    target.assert_session_alive(insider)


@scenario(versions=(3,), requirements=("INSTANCE-OWN-2", "INSTANCE-OWN-4"))
def own_tags_are_drawn(context: Context) -> None:
    """Clients that are given no tag choose ones of 0x100 or more, each another one."""
    tags = []
    for number in range(6):
        context.seed += b"%d" % number
        target = context.target_session(instance_tag=None)
        tags.append(commit_for_query(target).number("sender_tag"))
    check(min(tags) >= MIN_INSTANCE_TAG, f"no client has a tag below 0x100, and there is {min(tags):#x}")
    check(len(set(tags)) == len(tags), f"clients at different places have different tags, and had {sorted(tags)}")


@scenario(versions=(3,), needs=("lockstep",), requirements=("INSTANCE-OWN-2", "!INSTANCE-OWN-2"))
def small_tag_is_drawn_again(context: Context) -> None:
    """A tag below 0x100 that chance brings is not kept. (Engines: chance can be told what to bring.)"""
    if not isinstance(context.target, InProcess):
        return
    config = PartyConfig(context.target_session().header.parties[TARGET].config.key, ALLOW[3])
    for low in (0, 1, 0xFF):
        tape = TapeEntropy({("instance_tag", 0): low.to_bytes(4)}, SeededEntropy(context.seed))
        tag = context.target.engine(config, tape).instance_tag
        check(tag >= MIN_INSTANCE_TAG, f"{low:#x} is not kept as a tag, and the tag is {tag:#x}")
    tape = TapeEntropy({("instance_tag", 0): MIN_INSTANCE_TAG.to_bytes(4)}, SeededEntropy(context.seed))
    check(context.target.engine(config, tape).instance_tag == MIN_INSTANCE_TAG, "0x100 is kept")


# ---- messages that are discarded ------------------------------------------------------------------------------------

#: Sender and receiver tag in place of the right ones.
Tags = tuple[int, int]


def _moments(
    context: Context, tag: int = 0x2B2B
) -> Iterator[tuple[TargetSession, Callable[[Tags | None], bytes], str]]:
    """Each kind of message that a target can receive, in the state for it: a function that makes it with other tags.

    When it is asked for the next kind, the genuine message is given, which must have its effect.
    """
    target = context.target_session()
    insider = target.insider(tag=tag)
    target.user("start")
    if not insider.target_tag:
        target.receive(insider.commit())  # learn the tag
    yield target, lambda tags: _tagged(insider.commit(receiver=insider.target_tag), tags), "D-H Commit"
    reveal = reveal_of(insider, target.receive(insider.commit()).message(Kind.DH_KEY))
    yield target, lambda tags: _tagged(reveal.raw, tags), "Reveal Signature"
    target.receive(reveal.raw).one(Established)
    yield target, lambda tags: _data(insider, tags), "Data Message"
    target.assert_session_alive(insider)

    target = context.target_session()
    other = target.insider(tag=tag)
    commit = commit_for_query(target)
    yield target, lambda tags: _tagged(other.dh_key(), tags), "D-H Key"
    signature = signature_of(other, commit, target.receive(other.dh_key()).message(Kind.REVEAL_SIGNATURE))
    yield target, lambda tags: _tagged(signature.raw, tags), "Signature Message"
    target.receive(signature.raw).one(Established)
    target.assert_session_alive(other)


def _tagged(message: bytes, tags: Tags | None) -> bytes:
    if tags is None:
        return message
    return wire.build(wire.parse(message).with_value("sender_tag", tags[0]).with_value("receiver_tag", tags[1]))


def _data(insider: Insider, tags: Tags | None) -> bytes:
    """A data message with these tags, and the right MAC of them."""
    own = insider.tag, insider.target_tag
    insider.tag, insider.target_tag = tags or own
    message = insider.data(b"from whom, for whom?")
    insider.tag, insider.target_tag = own
    return message


def _are_discarded(context: Context, wrong: Callable[[int, int], list[Tags]], what: str) -> None:
    """Messages of all kinds, and fragments, with wrong tags are discarded without a trace. wrong: made of the right."""
    for subject, make, kind in _moments(context):
        genuine = wire.parse(make(None))
        for tags in wrong(genuine.number("sender_tag"), genuine.number("receiver_tag")):
            subject.receive(make(tags)).assert_ignored(f"a {kind} with {what} ({tags[0]:#x}, {tags[1]:#x})")
    subject = context.target_session()
    insider = subject.insider()
    subject.user("start")
    target = insider.target_tag or commit_for_query(subject).number("sender_tag")
    commit = insider.commit()
    for tags in wrong(insider.tag, target):
        for piece in wire.fragment(commit, 150, 3, tags):
            subject.receive(piece).assert_ignored(f"a fragment with {what} ({tags[0]:#x}, {tags[1]:#x})")


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
    """A message or fragment of any kind whose receiver tag is another client's, be it in one bit, is discarded: no
    answer, no text, and the genuine one still has its effect.
    """
    _are_discarded(
        context,
        lambda sender, own: [(sender, tag) for tag in (FOREIGN, own ^ 1 << 31, own ^ 1 << 12)],
        "another's tag",
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
def sender_tag_that_is_none(context: Context) -> None:
    """A message or fragment of any kind whose sender tag is below 0x100 is discarded, and leaves no trace."""
    _are_discarded(context, lambda _, own: [(0, own), (1, own), (0xFF, own)], "a sender tag that is none")


@scenario(
    versions=(3,),
    requirements=("INSTANCE-DISCARD-3", "!INSTANCE-DISCARD-3", "INSTANCE-DISCARD-4", "!INSTANCE-DISCARD-5"),
)
def receiver_tag_that_is_none(context: Context) -> None:
    """A message or fragment of any kind whose receiver tag is from 1 to 0xff is discarded, and leaves no trace."""
    _are_discarded(context, lambda sender, _: [(sender, tag) for tag in (1, 0x80, 0xFF)], "a receiver tag that is none")


@scenario(versions=(3,), requirements=("INSTANCE-ZERO-2", "!INSTANCE-ZERO-2"))
def commit_to_whom_it_may_concern(context: Context) -> None:
    """A D-H Commit is answered with receiver tag 0 and with the target's own alike, and not with another's."""
    for receiver in (0, None, FOREIGN):
        target = context.target_session()
        insider = target.insider()
        target.user("start")
        if not insider.target_tag:
            target.receive(insider.commit())
        reply = target.receive(insider.commit(receiver=insider.target_tag if receiver is None else receiver))
        if receiver == FOREIGN:
            reply.assert_ignored("a commit for somebody else")
        else:
            target.receive(reveal_of(insider, reply.message(Kind.DH_KEY)).raw).one(Established)
            target.assert_session_alive(insider)


@scenario(versions=(3,), needs=("lockstep",), requirements=("INSTANCE-ZERO-3", "!INSTANCE-ZERO-3"))
def receiver_tag_0_is_for_commits(context: Context) -> None:
    """Receiver tag 0 is for the D-H Commit alone: other messages that have it are discarded, and the genuine ones still
    have their effect. (Engines: the text can be read so that others may have it, too.)
    """
    for target, make, kind in _moments(context):
        if kind != "D-H Commit":
            sender = wire.parse(make(None)).number("sender_tag")
            target.receive(make((sender, 0))).assert_ignored(f"a {kind} with receiver tag 0")


@scenario(versions=(3,), needs=("lockstep",), requirements=("INSTANCE-DISCARD-4", "!INSTANCE-DISCARD-4"))
def discarded_message_among_fragments(context: Context) -> None:
    """A message for another client, or with tags that are none, between two fragments does not make the target forget
    the first. (Engines: the text can be read so that it does.)
    """
    target = context.target_session()
    insider = target.insider()
    commit = insider.commit()
    first, second = wire.fragment(commit, len(commit) // 2 + 60, 3, (insider.tag, insider.target_tag))
    for tags in ((insider.tag, FOREIGN), (insider.tag, 7), (7, insider.target_tag)):
        target.receive(first)
        target.receive(_tagged(insider.commit(), tags)).assert_ignored("a message with wrong tags")
        target.receive(second).assert_sent(Kind.DH_KEY)


@scenario(versions=(3,), requirements=("INSTANCE-RANGE-1",))
def tags_of_all_sizes(context: Context) -> None:
    """Correspondents with tags from 0x100 to 0xffffffff are served in both roles, and in fragments."""
    for tag in (0x100, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        for _ in _moments(context, tag):
            pass
        target = context.target_session()
        insider = target.insider(tag=tag)
        target.user("start")
        pieces = wire.fragment(insider.commit(), 150, 3, (tag, 0))
        for piece in pieces[:-1]:
            target.receive(piece).assert_sent()
        dh_key = target.receive(pieces[-1]).message(Kind.DH_KEY)
        genuine: Genuine = reveal_of(insider, dh_key)
        for piece in wire.fragment(genuine.raw, 200, 3, (tag, insider.target_tag))[:-1]:
            target.receive(piece).assert_sent()
        target.receive(wire.fragment(genuine.raw, 200, 3, (tag, insider.target_tag))[-1]).one(Established)


@scenario(
    versions=(3,), needs=("instance_tags",), requirements=("INSTANCE-RANGE-1", "INSTANCE-OWN-1", "INSTANCE-OWN-5")
)
def own_tags_of_all_sizes(context: Context) -> None:
    """A target with the smallest and the largest tag is spoken to under it, and uses no other."""
    for tag in (0x100, 0x80000000, 0xFFFFFFFF):
        target = context.target_session(instance_tag=tag)
        insider = target.insider()
        insider.target_tag = tag
        target.establish(insider)
        target.assert_session_alive(insider)
        messages = target.replies(0, TARGET).sent
        sent = {message.number("sender_tag") for message in messages if message.has("sender_tag")}
        check(sent == {tag}, f"the target uses the tag {tag:#x} that it has, and used {sorted(sent)}")
