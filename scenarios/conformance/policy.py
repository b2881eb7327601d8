"""Policies: what each flag allows, requires or starts, what happens without it, and how plaintext is shown.

[Policies, State transitions, Receiving plaintext without the whitespace tag]
"""

from __future__ import annotations

from itertools import product

from otterproof.harness import wire
from otterproof.harness.testkit.context import ALLOW, Context, TargetSession, check
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.reply import Reply
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import TAG_BASE, TAG_VERSIONS, Kind
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import Policy, SessionEstablished, TextReceived
from otterproof.scenarios.conformance.handshake_play import LATER, dh_key_for
from otterproof.scenarios.conformance.state_user import never_shown

ERROR = b"?OTR Error: no"

#: Texts that are not OTR messages, though some look like one.
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


def shown_clear(target: TargetSession, text: bytes, *, warn: bool) -> Reply:
    """Deliver plaintext, which must be shown once, unchanged. warn: whether a warning must come with it."""
    reply = target.receive(text)
    reply.assert_shown("text.not-shown-as-clear", text, secure=False)
    event = reply.one(TextReceived)
    if event.warn is not None:
        check_id = "text.warning-missing" if warn else "text.warning-needless"
        check(check_id, event.warn == warn, expected="a warning" if warn else "no warning", got=event, case=text)
    return reply


def _other(insider: Insider, version: int) -> Insider:
    """The insider's client, in another version."""
    return Insider(insider.key, insider.target_tag, version=version, tag=insider.tag, seed=b"other version")


# ---- the flags ------------------------------------------------------------------------------------------------------


@scenario(needs=("policy", "whitespace_tag"), requirements=("POLICY-SET-1", "!POLICY-SET-1", "POLICY-TAG-1"))
def flags_work_in_any_combination(context: Context) -> None:
    """In each of the sixteen combinations of the four flags, each flag has the same effect as it has alone."""
    version = context.version
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
        target = context.target_session(policy=policy)
        reply = target.user("send", text=b"hello")
        wanted = Kind.TAGGED_PLAINTEXT if Policy.SEND_WHITESPACE_TAG in flags else Kind.PLAINTEXT
        if Policy.REQUIRE_ENCRYPTION in flags:
            wanted = Kind.QUERY
        reply.assert_sent("policy.flags-interfere", wanted, case=f"a text, with {shown(policy)}")
        reply, queries = target.receive(ERROR), [Kind.QUERY] if Policy.ERROR_START_AKE in flags else []
        reply.assert_sent("policy.flags-interfere", *queries, case=f"an Error Message, with {shown(policy)}")
        reply = target.receive(b"tagged" + tag(version))
        commits = [Kind.DH_COMMIT] if Policy.WHITESPACE_START_AKE in flags else []
        reply.assert_sent("policy.flags-interfere", *commits, case=f"a whitespace tag, with {shown(policy)}")


@scenario(requirements=("POLICY-V2-1", "!POLICY-V2-1", "POLICY-V3-1", "!POLICY-V3-1"))
def only_the_allowed_version_is_used(context: Context) -> None:
    """With one version allowed, only its handshakes complete; queries and commits of the other are not answered."""
    other = 5 - context.version
    target = context.target_session(policy=ALLOW[context.version])
    insider = target.insider()
    query = b"?OTRv%d?" % other
    target.receive(query).assert_sent("query.answered-without-common-version", case=query)
    target.user("start")
    forbidden = "handshake.disallowed-commit-not-ignored"
    target.receive(_other(insider, other).commit()).assert_rejected(forbidden, f"a commit of version {other}")
    answers = target.replies(0, target.name).messages(Kind.DH_KEY)
    check(forbidden, not answers, expected="no answer", got=answers, case=f"a commit of version {other}")
    target.tick(LATER)
    for target_begins in (False, True):
        target.establish(insider, target_begins=target_begins)
        target.assert_session_alive(insider)
        insider = target.insider(seed=b"again")
        target.tick(LATER)


@scenario(needs=("policy",), requirements=("!POLICY-V2-1", "!POLICY-V3-1", "POLICY-V2-1", "POLICY-V3-1"))
def sessions_are_not_renewed_against_the_policy(context: Context) -> None:
    """While a session's version is not allowed, no new handshake begins; once it is allowed again, one does."""
    target, _ = context.encrypted()
    new = target.insider(seed=b"again")
    target.world.step(target.name, "set_policy", {"policy": ALLOW[5 - context.version]})
    target.query().assert_sent("query.answered-without-common-version", case="a query in a session")
    reply = target.receive(new.commit())
    answers, forbidden = reply.messages(Kind.DH_KEY), "handshake.disallowed-commit-not-ignored"
    check(forbidden, not answers, expected="no answer", got=reply, case="a commit in a session")
    target.world.step(target.name, "set_policy", {"policy": ALLOW[context.version]})
    target.tick(LATER)
    target.establish(new, target_begins=True)
    target.assert_session_alive(new)


@scenario(needs=("lockstep",), requirements=("POLICY-V2-1", "POLICY-V3-1"))
def engines_keep_sessions_when_the_policy_changes(context: Context) -> None:
    """In this project's engines, a session goes on when its version is no longer allowed."""
    target, insider = context.encrypted()
    target.world.step(target.name, "set_policy", {"policy": ALLOW[5 - context.version]})
    target.assert_session_alive(insider, "policy.change-ends-session")


@scenario(
    needs=("policy", "v2", "v3"),
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
def handshakes_stop_when_the_policy_forbids_them(context: Context) -> None:
    """A handshake message is ignored while its version is not allowed, and accepted once it is allowed again."""
    other, own, resumed = ALLOW[5 - context.version], ALLOW[context.version], "policy.handshake-not-resumed"

    def forbidden(target: TargetSession, message: bytes, check_id: str) -> Reply:
        target.world.step(target.name, "set_policy", {"policy": other})
        target.receive(message).assert_ignored(check_id, f"a message of version {context.version}")
        target.world.step(target.name, "set_policy", {"policy": own})
        return target.receive(message)

    target = context.target_session()
    insider = target.insider()
    target.user("start")
    reply = forbidden(target, insider.commit(), "handshake.disallowed-commit-not-ignored")
    reveal = insider.reveal_signature(wire.build(reply.message(Kind.DH_KEY, resumed)))
    forbidden(target, reveal, "handshake.disallowed-reveal-signature-not-ignored").one(SessionEstablished, resumed)
    target.assert_session_alive(insider)
    target = context.target_session()
    insider = target.insider()
    commit = wire.build(target.query().message(Kind.DH_COMMIT))
    reply = forbidden(target, insider.dh_key(), "handshake.disallowed-dh-key-not-ignored")
    reveal = wire.build(reply.message(Kind.REVEAL_SIGNATURE, resumed))
    signature = insider.signature(insider.decommit(commit, reveal))
    forbidden(target, signature, "handshake.disallowed-signature-message-not-ignored").one(SessionEstablished, resumed)
    target.assert_session_alive(insider)


@scenario(needs=("policy",), requirements=("POLICY-REQUIRE-1", "!POLICY-REQUIRE-1", "!STATE-PLAINTEXT-2"))
def required_encryption_holds_in_every_state(context: Context) -> None:
    """With REQUIRE_ENCRYPTION, no text goes out in the clear, in any message state or after a session."""
    for number, (_, target, _) in enumerate(context.each_state(ALLOW[context.version] | Policy.REQUIRE_ENCRYPTION)):
        with context.case(f"number {number}"):
            target.user("send", text=b"a private text %d" % number)
            target.user("end")
            target.user("send", text=b"a private text, again")
            target.receive(b"hello")
            target.user("send", text=b"a private text, and again")
            never_shown(target, "policy.text-sent-in-clear", b"a private text")
    target = context.target_session()
    target.assert_sent_in_clear(b"without the flag")


@scenario(
    needs=("policy", "whitespace_tag"),
    requirements=("POLICY-START-1", "!POLICY-START-1", "POLICY-TAG-1", "!POLICY-TAG-1"),
)
def whitespace_tag_flags_are_independent(context: Context) -> None:
    """WHITESPACE_START_AKE makes a tag start a handshake, SEND_WHITESPACE_TAG makes tags go out; neither does both."""
    allowed, text = ALLOW[context.version], b"hello" + tag(context.version)
    for flag in (Policy.NONE, Policy.SEND_WHITESPACE_TAG, Policy.WHITESPACE_START_AKE):
        with context.case():
            target = context.target_session(policy=allowed | flag)
            sends, starts = flag is Policy.SEND_WHITESPACE_TAG, flag is Policy.WHITESPACE_START_AKE
            reply = target.user("send", text=b"hi")
            if sends:
                reply.assert_sent("tag.not-sent", Kind.TAGGED_PLAINTEXT)
            else:
                reply.assert_sent("tag.sent-without-flag", Kind.PLAINTEXT, case=flag)
            reply = target.receive(text)
            if starts:
                reply.assert_sent("tag.not-answered", Kind.DH_COMMIT)
                target.receive(target.insider().dh_key()).message(Kind.REVEAL_SIGNATURE)
            else:
                reply.assert_sent("tag.answered-without-flag", case=flag)


@scenario(needs=("policy",), requirements=("POLICY-ERROR-1", "!POLICY-ERROR-1"))
def error_start_ake_sends_a_query(context: Context) -> None:
    """With ERROR_START_AKE, an Error Message is answered with a query that leads to a session; without, it is not."""
    target = context.target_session(policy=ALLOW[context.version] | Policy.ERROR_START_AKE)
    (query,) = target.receive(ERROR).assert_sent("error.not-answered", Kind.QUERY)
    offered, wanted = wire.offered_versions(query), context.version
    check("query.wrong-versions-offered", wanted in offered, expected=wanted, got=sorted(offered))
    insider = target.insider()
    dh_key = wire.build(target.receive(insider.commit()).message(Kind.DH_KEY))
    target.receive(insider.reveal_signature(dh_key)).one(SessionEstablished)
    target.assert_session_alive(insider)
    for state, silent, _ in context.each_state():
        with context.case(state):
            silent.receive(ERROR).assert_sent("error.answered-without-flag", case=state.upper())


@scenario(needs=("policy",), requirements=("POLICY-OFF-1", "!POLICY-OFF-1"))
def otr_is_off_without_an_allowed_version(context: Context) -> None:
    """With no version allowed, every message is shown as it is and not answered, and texts go out as typed."""
    flags = Policy.REQUIRE_ENCRYPTION | Policy.SEND_WHITESPACE_TAG
    flags |= Policy.WHITESPACE_START_AKE | Policy.ERROR_START_AKE
    for policy in (Policy.NONE, flags):
        with context.case(policy):
            target = context.target_session(policy=policy)
            stranger = Insider(published_key("mallory"), 0x1A1A, version=context.version)
            for message in (
                b"?OTRv23?",
                b"hello" + tag(context.version),
                ERROR,
                stranger.commit(),
                b"?OTR,00001,00002,abc,",
                b"?OTR:AAMC.",
            ):
                reply = target.receive(message)
                reply.assert_shown("policy.message-treated-when-off", message, secure=False)
                reply.assert_sent("policy.message-treated-when-off", case=message)
            changed = "policy.text-changed-when-off"
            target.assert_sent_in_clear(b"hello", changed, tagged=changed)
            reply = target.user("start")
            sent = Kind.QUERY in reply.kinds
            check("policy.query-sent-when-off", not sent, expected="no query", got=reply)
    target = context.target_session(policy=ALLOW[context.version])
    target.query().assert_sent("query.not-answered", Kind.DH_COMMIT)


# ---- plaintext that arrives -----------------------------------------------------------------------------------------


@scenario(requirements=("STATE-CLEAR-1", "!STATE-CLEAR-1", "STATE-CLEAR-3", "!STATE-CLEAR-2"))
def plaintext_is_shown_unchanged(context: Context) -> None:
    """In PLAINTEXT, each text in the clear is shown byte for byte, without a warning; OTR messages are not shown."""
    target = context.target_session()
    for text in PLAIN:
        shown_clear(target, text, warn=False)
    target.user("start")
    reply = target.receive(target.insider().commit())
    check("text.otr-message-shown", not reply.of(TextReceived), expected="no text", got=reply)


@scenario(needs=("policy",), requirements=("STATE-CLEAR-2", "!STATE-CLEAR-3", "STATE-CLEAR-1"))
def plaintext_warns_when_encryption_is_required(context: Context) -> None:
    """In PLAINTEXT with REQUIRE_ENCRYPTION, each text in the clear is shown with a warning."""
    target = context.target_session(policy=ALLOW[context.version] | Policy.REQUIRE_ENCRYPTION)
    for text in PLAIN:
        shown_clear(target, text, warn=True)
    shown_clear(context.target_session(), b"hello", warn=False)


@scenario(requirements=("STATE-CLEAR-4", "!STATE-CLEAR-4", "STATE-CLEAR-5", "!STATE-CLEAR-5"))
def plaintext_warns_after_a_session_began(context: Context) -> None:
    """In ENCRYPTED and FINISHED, each text in the clear is shown with a warning, and encrypted text without one."""
    target, insider = context.encrypted()
    for text in PLAIN:
        shown_clear(target, text, warn=True)
    event = target.assert_receives_text(insider, b"a private text").one(TextReceived)
    case = "a text that came encrypted"
    check("text.warning-needless", not event.warn, expected="no warning", got=event, case=case)
    target.receive(insider.data(b"")).assert_shown("data.empty-text-shown")
    target.end_by_peer(insider)
    for text in PLAIN:
        shown_clear(target, text, warn=True)
    target.user("end")
    shown_clear(target, b"hello", warn=False)


@scenario(requirements=("STATE-CLEAR-6", "!STATE-CLEAR-6"))
def plaintext_changes_no_state(context: Context) -> None:
    """Plaintext that arrives during a handshake, in ENCRYPTED or in FINISHED does not change the state."""
    changed = "state.changed-by-plaintext"
    target = context.target_session()
    begins = target.insider()
    dh_key = wire.build(dh_key_for(target, begins))
    target.receive(b"in AWAITING_REVEALSIG")
    target.receive(begins.reveal_signature(dh_key)).one(SessionEstablished, changed, case="AWAITING_REVEALSIG")
    target.receive(b"in ENCRYPTED")
    target.assert_session_alive(begins, changed)
    target.end_by_peer(begins)
    target.receive(b"in FINISHED")
    target.assert_not_sent(b"not sent", changed)
    target = context.target_session()
    answers = target.insider()
    commit = wire.build(target.query().message(Kind.DH_COMMIT))
    target.receive(b"in AWAITING_DHKEY")
    reply = target.receive(answers.dh_key())
    reveal = wire.build(reply.message(Kind.REVEAL_SIGNATURE, changed, case="AWAITING_DHKEY"))
    target.receive(b"in AWAITING_SIG")
    signature = answers.signature(answers.decommit(commit, reveal))
    target.receive(signature).one(SessionEstablished, changed, case="AWAITING_SIG")
    target.assert_session_alive(answers, changed)
