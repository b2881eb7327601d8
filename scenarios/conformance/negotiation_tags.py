"""Whitespace tags: how one is found in a text, what it starts, what is shown, and when the target sends one itself.

[Tagged plaintext messages, Receiving plaintext with the whitespace tag]
"""

from __future__ import annotations

from harness.scenario import scenario
from harness.stage import ALLOW, Stage, Subject, check
from harness.wire import TAG_BASE, TAG_VERSIONS, Kind, build, offered_versions
from implementations.contract import Established, Policy, TextReceived
from scenarios.conformance.negotiation_queries import commits

#: A group that stands for no version.
UNKNOWN = b"\t " * 4


def tag(*versions: int) -> bytes:
    """The tag that offers these versions, in this order; 0 stands for an unknown one."""
    return TAG_BASE + b"".join(TAG_VERSIONS.get(version, UNKNOWN) for version in versions)


def _starting(stage: Stage) -> Policy:
    """The version of this run, and a handshake for each tag; without the flag where flags are not obeyed."""
    flag = Policy.WHITESPACE_START_AKE if "policy" in stage.target.capabilities else Policy.NONE
    return ALLOW[stage.version] | flag


def _shown(subject: Subject, message: bytes, text: bytes) -> TextReceived:
    """The one text that is shown for a message, in the clear."""
    reply = subject.give(message)
    reply.shows(text, secure=False)
    return reply.one(TextReceived)


@scenario(needs=("whitespace_tag",), requirements=("TAG-PARSE-1", "TAG-SHOW-1"))
def tags_are_taken_out_wherever_they_stand(stage: Stage) -> None:
    """A tag at the beginning, in the middle or at the end of a text is not shown; every other byte is."""
    subject = stage.subject()
    for groups in (tag(stage.version), tag(2, 3), tag(1, 2, 3), tag(1)):
        for before, after in ((b"", b"hello"), (b"hel", b"lo"), (b"hello", b""), (b"a \t", b"\t\n b"), (b"", b"")):
            _shown(subject, before + groups + after, before + after)


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
def other_whitespace_is_kept(stage: Stage) -> None:
    """Blanks that are not the sixteen bytes with a group right after them are text, and start nothing."""
    subject = stage.subject(policy=_starting(stage))
    group = TAG_VERSIONS[stage.version]
    for text in (
        b"hello" + TAG_BASE,
        TAG_BASE + b"hello",
        b"hello" + TAG_BASE + b"x" + group,
        b"hello" + TAG_BASE[:-1] + b"\t" + group,
        b"hello" + TAG_BASE[1:] + group,
        b"hello" + group,
        b"in \t \t\t  between        \t\t\t\t\t\t\t\t and after " + b" " * 40,
    ):
        reply = subject.give(text)
        reply.shows(text, secure=False)
        reply.sends()


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
def tags_start_a_handshake_in_a_version_they_offer(stage: Stage) -> None:
    """A tag is answered with a commit if a group of it, in whatever place, stands for the version that is allowed."""
    subject = stage.subject(policy=_starting(stage))
    ours, other = stage.version, 5 - stage.version
    for versions in ((ours,), (2, 3), (3, 2), (1, ours), (other, 1, ours), (ours, 0), (0, ours), (other, 0, 0, ours)):
        reply = subject.give(b"hello" + tag(*versions))
        commits(reply, ours, b"a tag for versions %r" % (versions,))
        check(len(reply.clear) == 1, f"the text is shown, and there was {reply.clear}")
    for other_tag in (tag(other), tag(1), tag(0), tag(0, other), TAG_BASE + b"\t" + TAG_VERSIONS[ours][1:]):
        reply = subject.give(b"hello" + other_tag)
        reply.sends()


@scenario(
    versions=(3,),
    needs=("v2", "whitespace_tag", "policy"),
    requirements=("TAG-START-1", "!TAG-START-1", "TAG-START-2", "!TAG-START-2"),
)
def tags_lead_to_the_highest_common_version(stage: Stage) -> None:
    """A tag for both versions is answered in version 3 if that is allowed, else in version 2 if that is."""
    start = Policy.WHITESPACE_START_AKE
    both = stage.subject(policy=stage.both | start)
    commits(both.give(b"hello" + tag(2, 3)), 3, b"a tag for both versions")
    commits(both.give(b"hello" + tag(2)), 2, b"a tag for version 2")
    only_2 = stage.subject(policy=ALLOW[2] | start)
    commits(only_2.give(b"hello" + tag(2, 3)), 2, b"a tag for both versions")
    only_2.give(b"hello" + tag(3)).sends()
    only_3 = stage.subject(policy=ALLOW[3] | start)
    only_3.give(b"hello" + tag(2)).sends()
    commits(only_3.give(b"hello" + tag(3)), 3, b"a tag for version 3")


@scenario(
    needs=("whitespace_tag", "policy"),
    requirements=("TAG-START-5", "!TAG-START-5", "TAG-PURPOSE-1", "!TAG-PURPOSE-1", "!TAG-START-6"),
)
def tags_start_nothing_unless_that_is_asked_for(stage: Stage) -> None:
    """Without WHITESPACE_START_AKE a tag starts nothing, in any message state, and a query still does."""
    for state, subject, _ in stage.each_state():
        reply = subject.give(b"hello" + tag(2, 3))
        reply.sends()
        reply.shows(b"hello", secure=False)
        commits(subject.query(), stage.version, f"a query when {state}".encode())
    willing = stage.subject(policy=_starting(stage))
    commits(willing.give(b"hello" + tag(2, 3)), stage.version, b"a tag")


@scenario(needs=("whitespace_tag", "policy"), requirements=("TAG-START-4", "!TAG-START-4"))
def the_answer_to_a_tag_awaits_a_dh_key(stage: Stage) -> None:
    """Who answers a tag with a commit waits for a D-H Key, and the handshake completes as after a query."""
    subject = stage.subject(policy=_starting(stage))
    insider = subject.insider()
    subject.give(insider.dh_key()).ignored("a D-H Key that answers nothing")
    commit = commits(subject.give(b"hello" + tag(stage.version)), stage.version, b"a tag")
    (reveal,) = subject.give(insider.dh_key()).sends(Kind.REVEAL_SIGNATURE)
    subject.give(insider.signature(insider.opened(build(commit), build(reveal)))).one(Established)
    subject.still_talks(insider)


@scenario(needs=("whitespace_tag", "policy"), requirements=("TAG-START-6",))
def tags_start_a_handshake_in_every_message_state(stage: Stage) -> None:
    """With WHITESPACE_START_AKE a tag is answered in PLAINTEXT, ENCRYPTED and FINISHED; a session goes on meanwhile."""
    for state, subject, insider in stage.each_state(_starting(stage)):
        commits(subject.give(b"hello" + tag(2, 3)), stage.version, f"a tag when {state}".encode())
        if state == "encrypted":
            subject.still_talks(insider)


@scenario(
    needs=("whitespace_tag",),
    requirements=("TAG-SHOW-3", "!TAG-SHOW-3", "TAG-SHOW-4", "!TAG-SHOW-4", "!TAG-SHOW-2"),
)
def tagged_text_is_shown_with_a_warning_once_private(stage: Stage) -> None:
    """In ENCRYPTED and FINISHED tagged text is shown without its tag, with a warning; in PLAINTEXT without one."""
    for state, subject, _ in stage.each_state():
        private = state != "plaintext"
        for text, shown in ((b"he" + tag(2, 3) + b"llo", b"hello"), (b"h \t ello", b"h \t ello")):
            event = _shown(subject, text, shown)
            if subject.tells("text_received", "warn"):
                warned = "a" if private else "no"
                check(event.warn is private, f"when {state} there is {warned} warning that {shown!r} came in the clear")


@scenario(needs=("whitespace_tag", "policy"), requirements=("TAG-SHOW-2",))
def tagged_text_is_shown_with_a_warning_if_encryption_is_required(stage: Stage) -> None:
    """Under REQUIRE_ENCRYPTION the user is warned of tagged text even before there is a session."""
    subject = stage.subject(policy=ALLOW[stage.version] | Policy.REQUIRE_ENCRYPTION)
    event = _shown(subject, b"he" + tag(2, 3) + b"llo", b"hello")
    check(event.warn or not subject.tells("text_received", "warn"), "there is a warning that it came in the clear")


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
def the_own_tag_offers_what_is_allowed(stage: Stage) -> None:
    """With SEND_WHITESPACE_TAG a text in the clear carries a tag for the allowed versions; without it goes as it is."""
    spoken = {version for version, flag in ALLOW.items() if flag in stage.both}
    for allowed in ({stage.version}, spoken):
        policy = stage.both if allowed == spoken else ALLOW[stage.version]
        (message,) = stage.subject(policy=policy | Policy.SEND_WHITESPACE_TAG).user("send", text=b"hello").sent
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
        plain = stage.subject(policy=policy).user("send", text=b"hello")
        check(plain.raw == [b"hello"], f"without the flag the text goes out as it is, and there was {plain.raw}")


@scenario(needs=("whitespace_tag", "policy"), requirements=("TAG-STOP-1", "!TAG-STOP-1"))
def tags_stop_once_plaintext_was_received(stage: Stage) -> None:
    """Tags go out until text comes in the clear; queries and errors are not such text."""
    subject = stage.subject(policy=ALLOW[stage.version] | Policy.SEND_WHITESPACE_TAG)
    for received in (b"?OTRv4?", b"?OTR Error: no"):
        subject.user("send", text=b"hello").message(Kind.TAGGED_PLAINTEXT)
        subject.give(received)
    subject.user("send", text=b"hello").message(Kind.TAGGED_PLAINTEXT)
    subject.give(b"I have no plugin")
    for _ in range(2):
        sent = subject.user("send", text=b"hello").raw
        check(sent == [b"hello"], f"the text goes out without a tag, and there was {sent}")
