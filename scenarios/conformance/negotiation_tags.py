"""Whitespace tags: how one is found in a text, what it starts, what is shown, and when the target sends one itself.

[Tagged plaintext messages, Receiving plaintext with the whitespace tag]
"""

from __future__ import annotations

from otterproof.harness.testkit.context import ALLOW, Context, TargetSession, check
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import TAG_BASE, TAG_VERSIONS, Kind, build, offered_versions
from otterproof.implementations.contract import Established, Policy, TextReceived
from otterproof.scenarios.conformance.negotiation_queries import commits

#: A group that stands for no version.
UNKNOWN = b"\t " * 4


def tag(*versions: int) -> bytes:
    """The tag that offers these versions, in this order; 0 stands for an unknown one."""
    return TAG_BASE + b"".join(TAG_VERSIONS.get(version, UNKNOWN) for version in versions)


def _starting(context: Context) -> Policy:
    """The version of this run, and a handshake for each tag; without the flag where flags are not obeyed."""
    flag = Policy.WHITESPACE_START_AKE if "policy" in context.target.capabilities else Policy.NONE
    return ALLOW[context.version] | flag


def _shown(target: TargetSession, message: bytes, text: bytes) -> TextReceived:
    """The one text that is shown for a message, in the clear."""
    reply = target.receive(message)
    reply.assert_shown(text, secure=False)
    return reply.one(TextReceived)


@scenario(needs=("whitespace_tag",), requirements=("TAG-PARSE-1", "TAG-SHOW-1"))
def tags_are_taken_out_wherever_they_stand(context: Context) -> None:
    """A tag at the beginning, in the middle or at the end of a text is not shown; every other byte is."""
    target = context.target_session()
    for groups in (tag(context.version), tag(2, 3), tag(1, 2, 3), tag(1)):
        for before, after in ((b"", b"hello"), (b"hel", b"lo"), (b"hello", b""), (b"a \t", b"\t\n b"), (b"", b"")):
            _shown(target, before + groups + after, before + after)


@scenario(
    needs=("whitespace_tag",),
    requirements=(
        "!TAG-FORM-2",
        "!TAG-FORM-3",
        "!TAG-PARSE-1",
        "TAG-PARSE-2",
        "!TAG-PARSE-2",
        "TAG-PARSE-5",
        "!TAG-PARSE-5",
        "!TAG-SHOW-1",
    ),
)
def other_whitespace_is_kept(context: Context) -> None:
    """Blanks that are not the sixteen bytes with a group right after them are text, and start nothing."""
    target = context.target_session(policy=_starting(context))
    group = TAG_VERSIONS[context.version]
    for text in (
        b"hello" + TAG_BASE,
        TAG_BASE + b"hello",
        b"hello" + TAG_BASE + b"x" + group,
        b"hello" + TAG_BASE[:-1] + b"\t" + group,
        b"hello" + TAG_BASE[1:] + group,
        b"hello" + group,
        b"in \t \t\t  between        \t\t\t\t\t\t\t\t and after " + b" " * 40,
    ):
        reply = target.receive(text)
        reply.assert_shown(text, secure=False)
        reply.assert_sent()


@scenario(
    needs=("whitespace_tag", "policy"),
    requirements=(
        "TAG-FORM-3",
        "TAG-FORM-6",
        "!TAG-FORM-6",
        "TAG-FORM-7",
        "!TAG-FORM-7",
        "TAG-PARSE-3",
        "!TAG-PARSE-3",
        "TAG-PARSE-4",
        "!TAG-PARSE-4",
        "TAG-ANSWER-1",
        "!TAG-ANSWER-1",
        "TAG-START-3",
        "!TAG-START-3",
        "TAG-START-7",
        "!TAG-START-7",
    ),
)
def tags_start_a_handshake_in_a_version_they_offer(context: Context) -> None:
    """A tag is answered with a commit if a group of it, in whatever place, stands for the version that is allowed."""
    target = context.target_session(policy=_starting(context))
    ours, other = context.version, 5 - context.version
    for versions in ((ours,), (2, 3), (3, 2), (1, ours), (other, 1, ours), (ours, 0), (0, ours), (other, 0, 0, ours)):
        reply = target.receive(b"hello" + tag(*versions))
        commits(reply, ours, b"a tag for versions %r" % (versions,))
        check(len(reply.clear) == 1, f"the text is shown, and there was {reply.clear}")
    for other_tag in (tag(other), tag(1), tag(0), tag(0, other), TAG_BASE + b"\t" + TAG_VERSIONS[ours][1:]):
        reply = target.receive(b"hello" + other_tag)
        reply.assert_sent()


@scenario(
    versions=(3,),
    needs=("v2", "whitespace_tag", "policy"),
    requirements=("TAG-START-1", "!TAG-START-1", "TAG-START-2", "!TAG-START-2"),
)
def tags_lead_to_the_highest_common_version(context: Context) -> None:
    """A tag for both versions is answered in version 3 if that is allowed, else in version 2 if that is."""
    start = Policy.WHITESPACE_START_AKE
    both = context.target_session(policy=context.all_versions | start)
    commits(both.receive(b"hello" + tag(2, 3)), 3, b"a tag for both versions")
    commits(both.receive(b"hello" + tag(2)), 2, b"a tag for version 2")
    only_2 = context.target_session(policy=ALLOW[2] | start)
    commits(only_2.receive(b"hello" + tag(2, 3)), 2, b"a tag for both versions")
    only_2.receive(b"hello" + tag(3)).assert_sent()
    only_3 = context.target_session(policy=ALLOW[3] | start)
    only_3.receive(b"hello" + tag(2)).assert_sent()
    commits(only_3.receive(b"hello" + tag(3)), 3, b"a tag for version 3")


@scenario(
    needs=("whitespace_tag", "policy"),
    requirements=("TAG-START-5", "!TAG-START-5", "TAG-PURPOSE-1", "!TAG-PURPOSE-1", "!TAG-START-6"),
)
def tags_start_nothing_unless_that_is_asked_for(context: Context) -> None:
    """Without WHITESPACE_START_AKE a tag starts nothing, in any message state, and a query still does."""
    for state, target, _ in context.each_state():
        reply = target.receive(b"hello" + tag(2, 3))
        reply.assert_sent()
        reply.assert_shown(b"hello", secure=False)
        commits(target.query(), context.version, f"a query when {state}".encode())
    willing = context.target_session(policy=_starting(context))
    commits(willing.receive(b"hello" + tag(2, 3)), context.version, b"a tag")


@scenario(needs=("whitespace_tag", "policy"), requirements=("TAG-START-4", "!TAG-START-4"))
def the_answer_to_a_tag_awaits_a_dh_key(context: Context) -> None:
    """Who answers a tag with a commit waits for a D-H Key, and the handshake completes as after a query."""
    target = context.target_session(policy=_starting(context))
    insider = target.insider()
    target.receive(insider.dh_key()).assert_ignored("a D-H Key that answers nothing")
    commit = commits(target.receive(b"hello" + tag(context.version)), context.version, b"a tag")
    (reveal,) = target.receive(insider.dh_key()).assert_sent(Kind.REVEAL_SIGNATURE)
    target.receive(insider.signature(insider.decommit(build(commit), build(reveal)))).one(Established)
    target.assert_session_alive(insider)


@scenario(needs=("whitespace_tag", "policy"), requirements=("TAG-START-6",))
def tags_start_a_handshake_in_every_message_state(context: Context) -> None:
    """With WHITESPACE_START_AKE a tag is answered in PLAINTEXT, ENCRYPTED and FINISHED; a session goes on meanwhile."""
    for state, target, insider in context.each_state(_starting(context)):
        commits(target.receive(b"hello" + tag(2, 3)), context.version, f"a tag when {state}".encode())
        if state == "encrypted":
            target.assert_session_alive(insider)


@scenario(
    needs=("whitespace_tag",),
    requirements=("TAG-SHOW-3", "!TAG-SHOW-3", "TAG-SHOW-4", "!TAG-SHOW-4", "!TAG-SHOW-2"),
)
def tagged_text_is_shown_with_a_warning_once_private(context: Context) -> None:
    """In ENCRYPTED and FINISHED tagged text is shown without its tag, with a warning; in PLAINTEXT without one."""
    for state, target, _ in context.each_state():
        private = state != "plaintext"
        for text, shown in ((b"he" + tag(2, 3) + b"llo", b"hello"), (b"h \t ello", b"h \t ello")):
            event = _shown(target, text, shown)
            if target.tells("text_received", "warn"):
                warned = "a" if private else "no"
                check(event.warn is private, f"when {state} there is {warned} warning that {shown!r} came in the clear")


@scenario(needs=("whitespace_tag", "policy"), requirements=("TAG-SHOW-2",))
def tagged_text_is_shown_with_a_warning_if_encryption_is_required(context: Context) -> None:
    """Under REQUIRE_ENCRYPTION the user is warned of tagged text even before there is a session."""
    target = context.target_session(policy=ALLOW[context.version] | Policy.REQUIRE_ENCRYPTION)
    event = _shown(target, b"he" + tag(2, 3) + b"llo", b"hello")
    check(event.warn or not target.tells("text_received", "warn"), "there is a warning that it came in the clear")


@scenario(
    needs=("whitespace_tag", "policy"),
    requirements=(
        "TAG-FORM-1",
        "!TAG-FORM-1",
        "TAG-FORM-2",
        "TAG-FORM-3",
        "TAG-FORM-6",
        "TAG-FORM-7",
        "TAG-FORM-8",
        "!TAG-FORM-8",
    ),
)
def the_own_tag_offers_what_is_allowed(context: Context) -> None:
    """With SEND_WHITESPACE_TAG a text in the clear carries a tag for the allowed versions; without it goes as it is."""
    spoken = {version for version, flag in ALLOW.items() if flag in context.all_versions}
    for allowed in ({context.version}, spoken):
        policy = context.all_versions if allowed == spoken else ALLOW[context.version]
        (message,) = context.target_session(policy=policy | Policy.SEND_WHITESPACE_TAG).user("send", text=b"hello").sent
        check(message.kind is Kind.TAGGED_PLAINTEXT, f"the text has a tag, and went out as {build(message)!r}")
        text = message.data("before") + message.data("after")
        check(text == b"hello", f"besides the tag there is the text alone, and there was {text!r}")
        groups = message.data("tag_groups")
        found = [groups[at : at + 8] for at in range(0, len(groups), 8)]
        wanted = {TAG_VERSIONS[version] for version in allowed}
        check(
            set(found) == wanted and len(found) == len(wanted),
            f"the tag offers versions {allowed}, and offers {set(offered_versions(message))}: {groups!r}",
        )
        plain = context.target_session(policy=policy).user("send", text=b"hello")
        check(plain.raw == [b"hello"], f"without the flag the text goes out as it is, and there was {plain.raw}")


@scenario(needs=("whitespace_tag", "policy"), requirements=("TAG-STOP-1", "!TAG-STOP-1"))
def tags_stop_once_plaintext_was_received(context: Context) -> None:
    """Tags go out until text comes in the clear; queries and errors are not such text."""
    target = context.target_session(policy=ALLOW[context.version] | Policy.SEND_WHITESPACE_TAG)
    for received in (b"?OTRv4?", b"?OTR Error: no"):
        target.user("send", text=b"hello").message(Kind.TAGGED_PLAINTEXT)
        target.receive(received)
    target.user("send", text=b"hello").message(Kind.TAGGED_PLAINTEXT)
    target.receive(b"I have no plugin")
    for _ in range(2):
        sent = target.user("send", text=b"hello").raw
        check(sent == [b"hello"], f"the text goes out without a tag, and there was {sent}")
