"""Policies: what each flag allows, demands or starts, and what happens without it; and how plaintext is shown.

[Policies, State transitions, Receiving plaintext without the whitespace tag]
"""

from __future__ import annotations

from itertools import product

from harness import wire
from harness.course import Reply
from harness.insider import Insider
from harness.keys import test_key
from harness.scenario import scenario
from harness.stage import ALLOW, Stage, Subject, check
from harness.wire import TAG_BASE, TAG_VERSIONS, Kind
from implementations.contract import Established, Policy, TextReceived
from scenarios.conformance.handshake_play import LATER, dh_key_for
from scenarios.conformance.state_user import never_shown

ERROR = b"?OTR Error: no"

#: Texts that are none of OTR's, though some look like it.
PLAIN = (
    b"hello",
    b"",
    b"caf\xc3\xa9 \xf0\x9f\xa6\xa6",
    b"OTR is on, isn't it?",
    b"  blanks around  \n",
    b"<b>?</b>",
    b"x" * 5000,
)


def tag(version: int) -> bytes:
    return TAG_BASE + TAG_VERSIONS[version]


def shown_clear(subject: Subject, text: bytes, *, warn: bool) -> Reply:
    """Hand over plaintext: it must be shown, once and as it is, with a warning that it came in the clear or without."""
    reply = subject.give(text)
    reply.shows(text, secure=False)
    event = reply.one(TextReceived)
    if subject.tells("text_received", "warn"):
        check(event.warn == warn, f"{text[:40]!r} is shown with{'' if warn else 'out'} a warning: {event!r:.200}")
    return reply


def _other(insider: Insider, version: int) -> Insider:
    """The insider's client in another version."""
    return Insider(insider.key, insider.target_tag, version=version, tag=insider.tag, seed=b"other version")


# ---- the flags ------------------------------------------------------------------------------------------------------


@scenario(needs=("policy", "whitespace_tag"), requirements=("POLICY-SET-1", "!POLICY-SET-1", "POLICY-TAG-1"))
def flags_work_in_any_combination(stage: Stage) -> None:
    """In each of the sixteen combinations of the four flags each of them does what it does alone."""
    version = stage.version
    names = (
        Policy.REQUIRE_ENCRYPTION,
        Policy.SEND_WHITESPACE_TAG,
        Policy.WHITESPACE_START_AKE,
        Policy.ERROR_START_AKE,
    )
    for chosen in product((False, True), repeat=len(names)):
        flags = {flag for flag, is_set in zip(names, chosen, strict=True) if is_set}
        policy = ALLOW[version]
        for flag in flags:
            policy |= flag
        subject = stage.subject(policy=policy)
        kinds = subject.user("send", text=b"hello").kinds
        wanted = Kind.TAGGED_PLAINTEXT if Policy.SEND_WHITESPACE_TAG in flags else Kind.PLAINTEXT
        if Policy.REQUIRE_ENCRYPTION in flags:
            wanted = Kind.QUERY
        check(kinds == [wanted], f"with {policy!r} a text goes out as {wanted}, and did as {kinds}")
        kinds = subject.give(ERROR).kinds
        queries = [Kind.QUERY] if Policy.ERROR_START_AKE in flags else []
        check(kinds == queries, f"with {policy!r} an Error Message is answered with {queries}, and was with {kinds}")
        kinds = subject.give(b"tagged" + tag(version)).kinds
        commits = [Kind.DH_COMMIT] if Policy.WHITESPACE_START_AKE in flags else []
        check(kinds == commits, f"with {policy!r} a tag is answered with {commits}, and was with {kinds}")


@scenario(requirements=("POLICY-V2-1", "!POLICY-V2-1", "POLICY-V3-1", "!POLICY-V3-1"))
def only_the_allowed_version_is_used(stage: Stage) -> None:
    """With one version allowed, queries and commits of the other one are not answered; its own are, to the end."""
    other = 5 - stage.version
    subject = stage.subject()
    insider = subject.insider()
    subject.give(b"?OTRv%d?" % other).sends()
    subject.user("start")
    subject.give(_other(insider, other).commit()).accepts_nothing("a commit of a version that is not allowed")
    check(subject.replies(0, subject.name).messages(Kind.DH_KEY) == [], "it is not answered")
    subject.tick(LATER)
    for target_begins in (False, True):
        subject.establish(insider, target_begins=target_begins)
        subject.still_talks(insider)
        insider = subject.insider(seed=b"again")
        subject.tick(LATER)


@scenario(needs=("policy",), requirements=("!POLICY-V2-1", "!POLICY-V3-1", "POLICY-V2-1", "POLICY-V3-1"))
def sessions_are_not_renewed_against_the_policy(stage: Stage) -> None:
    """When the version of a session is no longer allowed no new handshake begins in it; when it is again, one does."""
    subject, _ = stage.encrypted()
    new = subject.insider(seed=b"again")
    subject.world.step(subject.name, "set_policy", {"policy": ALLOW[5 - stage.version]})
    subject.query().sends()
    reply = subject.give(new.commit())
    check(Kind.DH_KEY not in reply.kinds, f"a commit of a version that is not allowed is not answered: {reply}")
    subject.world.step(subject.name, "set_policy", {"policy": ALLOW[stage.version]})
    subject.tick(LATER)
    subject.establish(new, target_begins=True)
    subject.still_talks(new)


@scenario(needs=("lockstep",), requirements=("POLICY-V2-1", "POLICY-V3-1"))
def engines_keep_sessions_when_the_policy_changes(stage: Stage) -> None:
    """In the project's engines a session goes on when its version is no longer allowed."""
    subject, insider = stage.encrypted()
    subject.world.step(subject.name, "set_policy", {"policy": ALLOW[5 - stage.version]})
    subject.still_talks(insider)


@scenario(
    needs=("policy",),
    requirements=(
        "!COMMIT-POLICY-1",
        "!COMMIT-POLICY-2",
        "!DHKEY-POLICY-1",
        "!DHKEY-POLICY-2",
        "!REVEAL-POLICY-1",
        "!REVEAL-POLICY-2",
        "!SIG-POLICY-1",
        "!SIG-POLICY-2",
        "!POLICY-V2-1",
        "!POLICY-V3-1",
    ),
)
def handshakes_stop_when_the_policy_forbids_them(stage: Stage) -> None:
    """Each handshake message of a version that has become forbidden is ignored, and taken once it is allowed again."""
    other, own = ALLOW[5 - stage.version], ALLOW[stage.version]

    def forbidden(subject: Subject, message: bytes, name: str) -> Reply:
        subject.world.step(subject.name, "set_policy", {"policy": other})
        subject.give(message).ignored(f"a {name} of a version that is not allowed")
        subject.world.step(subject.name, "set_policy", {"policy": own})
        return subject.give(message)

    subject = stage.subject()
    insider = subject.insider()
    subject.user("start")
    dh_key = wire.build(forbidden(subject, insider.commit(), "D-H Commit").message(Kind.DH_KEY))
    forbidden(subject, insider.reveal_signature(dh_key), "Reveal Signature").one(Established)
    subject.still_talks(insider)
    subject = stage.subject()
    insider = subject.insider()
    commit = wire.build(subject.query().message(Kind.DH_COMMIT))
    reveal = wire.build(forbidden(subject, insider.dh_key(), "D-H Key").message(Kind.REVEAL_SIGNATURE))
    forbidden(subject, insider.signature(insider.opened(commit, reveal)), "Signature").one(Established)
    subject.still_talks(insider)


@scenario(needs=("policy",), requirements=("POLICY-REQUIRE-1", "!POLICY-REQUIRE-1", "!STATE-PLAINTEXT-2"))
def required_encryption_holds_in_every_state(stage: Stage) -> None:
    """With REQUIRE_ENCRYPTION no text leaves in the clear in any message state, nor when a session has been left."""
    for number, (_, subject, _) in enumerate(stage.each_state(ALLOW[stage.version] | Policy.REQUIRE_ENCRYPTION)):
        subject.user("send", text=b"a private text %d" % number)
        subject.user("end")
        subject.user("send", text=b"a private text, again")
        subject.give(b"hello")
        subject.user("send", text=b"a private text, and again")
        never_shown(subject, b"a private text")
    subject = stage.subject()
    subject.in_clear(b"without the flag")


@scenario(
    needs=("policy", "whitespace_tag"),
    requirements=("POLICY-START-1", "!POLICY-START-1", "POLICY-TAG-1", "!POLICY-TAG-1"),
)
def tags_work_by_their_flags(stage: Stage) -> None:
    """WHITESPACE_START_AKE makes a tag start a handshake, SEND_WHITESPACE_TAG sends one; neither does both."""
    allowed, text = ALLOW[stage.version], b"hello" + tag(stage.version)
    for flag in (Policy.NONE, Policy.SEND_WHITESPACE_TAG, Policy.WHITESPACE_START_AKE):
        subject = stage.subject(policy=allowed | flag)
        sends, starts = flag is Policy.SEND_WHITESPACE_TAG, flag is Policy.WHITESPACE_START_AKE
        subject.user("send", text=b"hi").sends(Kind.TAGGED_PLAINTEXT if sends else Kind.PLAINTEXT)
        reply = subject.give(text)
        reply.sends(*[Kind.DH_COMMIT] * starts)
        if starts:
            subject.give(subject.insider().dh_key()).sends(Kind.REVEAL_SIGNATURE)


@scenario(needs=("policy",), requirements=("POLICY-ERROR-1", "!POLICY-ERROR-1"))
def errors_ask_by_their_flag(stage: Stage) -> None:
    """With ERROR_START_AKE an Error Message brings a query, which leads to a session; without, it brings nothing."""
    subject = stage.subject(policy=ALLOW[stage.version] | Policy.ERROR_START_AKE)
    (query,) = subject.give(ERROR).sends(Kind.QUERY)
    check(stage.version in wire.offered_versions(query), f"the query offers version {stage.version}")
    insider = subject.insider()
    dh_key = wire.build(subject.give(insider.commit()).message(Kind.DH_KEY))
    subject.give(insider.reveal_signature(dh_key)).one(Established)
    subject.still_talks(insider)
    for _, silent, _ in stage.each_state():
        silent.give(ERROR).sends()


@scenario(needs=("policy",), requirements=("POLICY-OFF-1", "!POLICY-OFF-1"))
def without_a_version_otr_is_off(stage: Stage) -> None:
    """With no version allowed whatever comes is shown as it is and answered by nothing, and texts go out as typed."""
    flags = Policy.REQUIRE_ENCRYPTION | Policy.SEND_WHITESPACE_TAG
    flags |= Policy.WHITESPACE_START_AKE | Policy.ERROR_START_AKE
    for policy in (Policy.NONE, flags):
        subject = stage.subject(policy=policy)
        stranger = Insider(test_key("mallory"), 0x1A1A, version=stage.version)
        for message in (
            b"?OTRv23?",
            b"hello" + tag(stage.version),
            ERROR,
            stranger.commit(),
            b"?OTR,00001,00002,abc,",
            b"?OTR:AAMC.",
        ):
            reply = subject.give(message)
            reply.shows(message, secure=False)
            reply.sends()
        subject.in_clear(b"hello")
        reply = subject.user("start")
        check(Kind.QUERY not in reply.kinds, f"no query goes out when OTR is off, and there was {reply}")
    subject = stage.subject(policy=ALLOW[stage.version])
    subject.query().sends(Kind.DH_COMMIT)


# ---- plaintext that comes -------------------------------------------------------------------------------------------


@scenario(requirements=("STATE-CLEAR-1", "!STATE-CLEAR-1", "STATE-CLEAR-3", "!STATE-CLEAR-2"))
def plaintext_is_shown_as_it_came(stage: Stage) -> None:
    """In PLAINTEXT each text in the clear is shown byte for byte, without a warning; what belongs to OTR is not."""
    subject = stage.subject()
    for text in PLAIN:
        shown_clear(subject, text, warn=False)
    subject.user("start")
    reply = subject.give(subject.insider().commit())
    check(not reply.of(TextReceived), f"a D-H Commit is not shown as a text: {reply}")


@scenario(needs=("policy",), requirements=("STATE-CLEAR-2", "!STATE-CLEAR-3", "STATE-CLEAR-1"))
def plaintext_is_warned_of_where_encryption_is_required(stage: Stage) -> None:
    """In PLAINTEXT with REQUIRE_ENCRYPTION each text in the clear is shown with a warning."""
    subject = stage.subject(policy=ALLOW[stage.version] | Policy.REQUIRE_ENCRYPTION)
    for text in PLAIN:
        shown_clear(subject, text, warn=True)
    if subject.tells("text_received", "warn"):
        subject = stage.subject()
        shown_clear(subject, b"hello", warn=False)


@scenario(requirements=("STATE-CLEAR-4", "!STATE-CLEAR-4", "STATE-CLEAR-5", "!STATE-CLEAR-5"))
def plaintext_is_warned_of_in_a_session(stage: Stage) -> None:
    """In ENCRYPTED and FINISHED each text in the clear is shown with a warning; what came encrypted, without one."""
    subject, insider = stage.encrypted()
    for text in PLAIN:
        shown_clear(subject, text, warn=True)
    event = subject.hears(insider, b"a private text").one(TextReceived)
    check(not event.warn, f"a text that came encrypted is shown without a warning: {event}")
    subject.give(insider.data(b"")).shows()
    subject.finish(insider)
    for text in PLAIN:
        shown_clear(subject, text, warn=True)
    subject.user("end")
    shown_clear(subject, b"hello", warn=False)


@scenario(requirements=("STATE-CLEAR-6", "!STATE-CLEAR-6"))
def plaintext_changes_no_state(stage: Stage) -> None:
    """Plaintext that comes during a handshake, in ENCRYPTED or in FINISHED leaves it as it was."""
    subject = stage.subject()
    begins = subject.insider()
    dh_key = wire.build(dh_key_for(subject, begins))
    subject.give(b"in AWAITING_REVEALSIG")
    subject.give(begins.reveal_signature(dh_key)).one(Established)
    subject.give(b"in ENCRYPTED")
    subject.still_talks(begins)
    subject.finish(begins)
    subject.give(b"in FINISHED")
    subject.unsent(b"not sent")
    subject = stage.subject()
    answers = subject.insider()
    commit = wire.build(subject.query().message(Kind.DH_COMMIT))
    subject.give(b"in AWAITING_DHKEY")
    reveal = wire.build(subject.give(answers.dh_key()).message(Kind.REVEAL_SIGNATURE))
    subject.give(b"in AWAITING_SIG")
    subject.give(answers.signature(answers.opened(commit, reveal))).one(Established)
    subject.still_talks(answers)
