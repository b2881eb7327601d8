"""Whitespace tags: how they are found in a text, what they start, what is shown, and when the target sends its own.

[Tagged plaintext messages, Receiving plaintext with the whitespace tag]
"""

from __future__ import annotations

from otterproof.harness.testkit.context import ALLOW, Context, TargetSession, check, check_equal, check_told
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import TAG_BASE, TAG_VERSIONS, Kind, Message, build, offered_versions
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import Policy, SessionEstablished, TextReceived
from otterproof.scenarios.conformance.handshake_play import reveal_to_dh_key
from otterproof.scenarios.conformance.negotiation_queries import commits

#: A group of whitespace that stands for no version.
UNKNOWN = b"\t " * 4


def tag(*versions: int) -> bytes:
    """A tag that offers these versions, in this order; 0 stands for an unknown one."""
    return TAG_BASE + b"".join(TAG_VERSIONS.get(version, UNKNOWN) for version in versions)


def _starting(context: Context) -> Policy:
    """The policy of this run: its version and, if the target obeys flags, a handshake for each tag."""
    flag = Policy.WHITESPACE_START_AKE if "policy" in context.target.capabilities else Policy.NONE
    return ALLOW[context.version] | flag


def _shown(target: TargetSession, message: bytes, text: bytes) -> TextReceived:
    """Demand that a message is shown in the clear, without its tag; the event that shows it."""
    reply = target.receive(message)
    reply.assert_shown("tag.not-taken-out", text, secure=False, case=message)
    return reply.one(TextReceived)


@scenario(needs=("whitespace_tag",), requirements=("TAG-PARSE-1", "TAG-SHOW-1"))
def tags_are_removed_anywhere_in_the_text(context: Context) -> None:
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
    """Spaces and tabs that are not the sixteen bytes followed by a version group are text, and start nothing."""
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
        reply.assert_shown("tag.whitespace-taken-for-tag", text, secure=False, case=text)
        reply.assert_sent("tag.whitespace-taken-for-tag", case=text)


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
        "TAG-SHOW-1",
    ),
)
def tags_start_a_handshake_in_a_version_they_offer(context: Context) -> None:
    """A tag is answered with a commit if any of its groups stands for the allowed version."""
    target = context.target_session(policy=_starting(context))
    ours, other = context.version, 5 - context.version
    for versions in ((ours,), (2, 3), (3, 2), (1, ours), (1, other, ours), (ours, 0), (0, ours), (other, 0, 0, ours)):
        reply = target.receive(b"hello" + tag(*versions))
        case = f"a tag for versions {shown(versions)}"
        commits(reply, "tag.unknown-group-hides-version" if {0, 1} & {*versions} else "tag.not-answered", ours, case)
        check("tag.text-not-shown", len(reply.clear) == 1, expected="one text in the clear", got=reply, case=case)
    for other_tag in (tag(other), tag(1), tag(0), tag(0, other), TAG_BASE + b"\t" + TAG_VERSIONS[ours][1:]):
        target.receive(b"hello" + other_tag).assert_sent("tag.answered-without-common-version", case=other_tag)


@scenario(
    versions=(3,),
    needs=("v2", "whitespace_tag", "policy"),
    requirements=("TAG-START-1", "!TAG-START-1", "TAG-START-2", "!TAG-START-2"),
)
def tags_select_the_highest_common_version(context: Context) -> None:
    """A tag for both versions is answered in version 3 if that is allowed, and otherwise in version 2 if that is."""
    start = Policy.WHITESPACE_START_AKE
    wrong, uncalled = "tag.wrong-version-chosen", "tag.answered-without-common-version"
    both = context.target_session(policy=context.all_versions | start)
    commits(both.receive(b"hello" + tag(2, 3)), wrong, 3, "a tag for both versions")
    commits(both.receive(b"hello" + tag(2)), wrong, 2, "a tag for version 2")
    only_2 = context.target_session(policy=ALLOW[2] | start)
    commits(only_2.receive(b"hello" + tag(2, 3)), wrong, 2, "a tag for both versions, when only version 2 is allowed")
    only_2.receive(b"hello" + tag(3)).assert_sent(uncalled, case="a tag for version 3, when only version 2 is allowed")
    only_3 = context.target_session(policy=ALLOW[3] | start)
    only_3.receive(b"hello" + tag(2)).assert_sent(uncalled, case="a tag for version 2, when only version 3 is allowed")
    commits(only_3.receive(b"hello" + tag(3)), wrong, 3, "a tag for version 3")


@scenario(
    needs=("whitespace_tag", "policy"),
    requirements=("TAG-START-5", "!TAG-START-5", "TAG-PURPOSE-1", "!TAG-PURPOSE-1", "!TAG-START-6"),
)
def tags_start_nothing_without_the_policy_flag(context: Context) -> None:
    """Without WHITESPACE_START_AKE, a tag starts nothing in any message state; a query still starts a handshake."""
    for state, target, _ in context.each_state():
        with context.case(state):
            target.receive(b"without a tag").assert_sent("text.answered", case=state.upper())
            reply = target.receive(b"hello" + tag(2, 3))
            reply.assert_sent("tag.answered-without-flag", case=state.upper())
            reply.assert_shown("tag.not-taken-out", b"hello", secure=False, case=state.upper())
            commits(target.query(), "query.not-answered", context.version, f"a query in {state.upper()}")
    willing = context.target_session(policy=_starting(context))
    commits(willing.receive(b"hello" + tag(2, 3)), "tag.not-answered", context.version, "a tag for both versions")


@scenario(needs=("whitespace_tag", "policy"), requirements=("TAG-START-4", "!TAG-START-4"))
def the_answer_to_a_tag_awaits_a_dh_key(context: Context) -> None:
    """A target that answers a tag with a commit waits for a D-H Key, and the handshake completes as after a query."""
    sent: list[Message] = []

    def begun() -> tuple[TargetSession, Insider]:
        target = context.target_session(policy=_starting(context))
        insider = target.insider()
        target.receive(insider.dh_key()).assert_ignored("handshake.stray-dh-key-not-ignored", "in NONE")
        reply = target.receive(b"hello" + tag(context.version))
        sent.append(commits(reply, "tag.not-answered", context.version, "a tag"))
        return target, insider

    target, insider, reveal = reveal_to_dh_key(begun, "tag.dh-key-not-awaited")
    commit = sent[0]
    target.receive(insider.signature(insider.decommit(build(commit), build(reveal)))).one(SessionEstablished)
    target.assert_session_alive(insider)


@scenario(needs=("whitespace_tag", "policy"), requirements=("TAG-START-6",))
def tags_start_a_handshake_in_every_message_state(context: Context) -> None:
    """With WHITESPACE_START_AKE, a tag is answered in every message state; a session goes on meanwhile."""
    for state, target, insider in context.each_state(_starting(context)):
        with context.case(state):
            target.receive(b"without a tag").assert_sent("text.answered", case=state.upper())
            reply = target.receive(b"hello" + tag(2, 3))
            commits(reply, "tag.not-answered", context.version, f"a tag in {state.upper()}")
            if state == "encrypted":
                target.assert_session_alive(insider, "tag.disturbs-session")


@scenario(
    needs=("whitespace_tag",),
    requirements=("TAG-SHOW-3", "!TAG-SHOW-3", "TAG-SHOW-4", "!TAG-SHOW-4", "!TAG-SHOW-2"),
)
def tagged_text_warns_after_a_session_began(context: Context) -> None:
    """Tagged text is shown without its tag: with a warning in ENCRYPTED and FINISHED, without one in PLAINTEXT."""
    for state, target, _ in context.each_state():
        with context.case(state):
            private = state != "plaintext"
            target.receive(b"no tag").assert_shown("text.not-shown-as-clear", b"no tag", secure=False)
            for message, text in ((b"he" + tag(2, 3) + b"llo", b"hello"), (b"h \t ello", b"h \t ello")):
                event = _shown(target, message, text)
                if event.warn is not None:
                    check_id = "text.warning-missing" if private else "text.warning-needless"
                    expected = "a warning" if private else "no warning"
                    check(
                        check_id, event.warn is private, expected=expected, got=event, case=f"a text in {state.upper()}"
                    )


@scenario(needs=("whitespace_tag", "policy"), requirements=("TAG-SHOW-2",))
def tagged_text_warns_when_encryption_is_required(context: Context) -> None:
    """With REQUIRE_ENCRYPTION, tagged text is shown with a warning even before there is a session."""
    target = context.target_session(policy=ALLOW[context.version] | Policy.REQUIRE_ENCRYPTION)
    event = _shown(target, b"he" + tag(2, 3) + b"llo", b"hello")
    check_told("text.warning-missing", event.warn, True, case="PLAINTEXT with REQUIRE_ENCRYPTION")


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
def own_tag_offers_allowed_versions(context: Context) -> None:
    """With SEND_WHITESPACE_TAG, a text in the clear carries a tag for the allowed versions; without it, no tag."""
    spoken = {version for version, flag in ALLOW.items() if flag in context.all_versions}
    for allowed in ({context.version}, spoken):
        with context.case():
            policy = context.all_versions if allowed == spoken else ALLOW[context.version]
            reply = context.target_session(policy=policy | Policy.SEND_WHITESPACE_TAG).user("send", text=b"hello")
            (message,) = reply.assert_sent("tag.not-sent", Kind.TAGGED_PLAINTEXT)
            text = message.data("before") + message.data("after")
            check_equal("tag.text-changed", text, b"hello", case="what is sent besides the tag")
            groups = message.data("tag_groups")
            found = [groups[at : at + 8] for at in range(0, len(groups), 8)]
            wanted = {TAG_VERSIONS[version] for version in allowed}
            check(
                "tag.wrong-versions-offered",
                set(found) == wanted and len(found) == len(wanted),
                expected=f"versions {shown(sorted(allowed))}, each once",
                got=f"{len(found)} groups, for versions {shown(sorted(offered_versions(message)))}",
                case=groups,
            )
            plain = context.target_session(policy=policy).user("send", text=b"hello").raw
            check_equal("tag.sent-without-flag", plain, [b"hello"])


@scenario(needs=("whitespace_tag", "policy"), requirements=("TAG-STOP-1", "!TAG-STOP-1"))
def tags_stop_once_plaintext_was_received(context: Context) -> None:
    """Tags go out until text arrives in the clear; queries and errors do not count as such text."""
    target = context.target_session(policy=ALLOW[context.version] | Policy.SEND_WHITESPACE_TAG)
    for received in (b"?OTRv4?", b"?OTR Error: no"):
        target.user("send", text=b"hello").message(Kind.TAGGED_PLAINTEXT, "tag.not-sent")
        target.receive(received)
    target.user("send", text=b"hello").message(Kind.TAGGED_PLAINTEXT, "tag.not-sent", case="after a query and an error")
    target.receive(b"I have no plugin")
    for _ in range(2):
        sent = target.user("send", text=b"hello").raw
        check_equal("tag.sent-after-plaintext", sent, [b"hello"])
