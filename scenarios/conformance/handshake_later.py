"""D-H Key, Reveal Signature and Signature Message in every authentication state; policies; completed handshakes.

[Receiving a D-H Key Message, Receiving a Reveal Signature Message, Receiving a Signature Message]
"""

from __future__ import annotations

from otterproof.harness import wire
from otterproof.harness.testkit.context import ALLOW, TARGET, Context, TargetSession, check, check_equal, who_begins
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.reply import check_told
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind
from otterproof.implementations.contract import Policy, SessionEstablished
from otterproof.scenarios.conformance.handshake_play import (
    as_type,
    commit_for_query,
    completes,
    dh_key_for,
    has_no_effect,
    ignores,
    key_exchange_1,
    messages_of_others,
    refused,
    reveal_for,
    reveal_of,
    signature_of,
    with_wrong_headers,
)


@scenario(
    requirements=(
        "DHKEY-NONE-1",
        "!DHKEY-NONE-1",
        "REVEAL-NONE-1",
        "!REVEAL-NONE-1",
        "SIG-NONE-1",
        "!SIG-NONE-1",
        "!AKE-OUTLINE-1",
        "!INSTANCE-REPLY-2",
    )
)
def messages_in_none(context: Context) -> None:
    """In NONE a D-H Key, a Reveal Signature and a Signature Message are ignored, with a session or without one.

    A new handshake still completes, and a session stays usable.
    """
    later = (Kind.DH_KEY, Kind.REVEAL_SIGNATURE, Kind.SIGNATURE)
    target = context.target_session()
    insider = target.insider()
    target.user("start")
    if context.version == 3 and not insider.knows_target_tag:
        dh_key_for(target, insider)  # learn the tag from a message, as the target does not report it
    else:
        ignores(target, "NONE", *later)
    target.establish(insider)
    ignores(target, "NONE, after a handshake", *later)
    target.assert_session_alive(insider)


@scenario(requirements=("REVEAL-DHKEY-1", "!REVEAL-DHKEY-1", "SIG-DHKEY-1", "!SIG-DHKEY-1", "!DHKEY-DHKEY-1"))
def messages_while_a_dh_key_is_awaited(context: Context) -> None:
    """In AWAITING_DHKEY a Reveal Signature, a Signature Message and a D-H Key that is cut short are ignored.

    A whole D-H Key continues the handshake.
    """
    target = context.target_session()
    insider = target.insider()
    commit = commit_for_query(target)
    ignores(target, "AWAITING_DHKEY", Kind.REVEAL_SIGNATURE, Kind.SIGNATURE)
    body = wire.parse(insider.dh_key()).body
    for size in (len(body) - 1, len(body) - 150, len(body) - 192, len(body) - 194, len(body) - 196):
        refused(
            target.receive(wire.armour(body[:size])),
            "handshake.malformed-dh-key-accepted",
            f"a D-H Key Message cut to {size} bytes",
        )
    reveal = target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE)
    completes(target, insider, signature_of(insider, commit, reveal))


@scenario(
    requirements=(
        "DHKEY-REVEALSIG-1",
        "!DHKEY-REVEALSIG-1",
        "SIG-REVEALSIG-1",
        "!SIG-REVEALSIG-1",
        "REVEAL-IGNORED-1",
        "!REVEAL-ACCEPT-2",
    )
)
def messages_while_a_reveal_signature_is_awaited(context: Context) -> None:
    """In AWAITING_REVEALSIG a D-H Key or Signature Message is ignored; the Reveal Signature completes the handshake."""
    target = context.target_session()
    insider = target.insider()
    dh_key = dh_key_for(target, insider)
    ignores(target, "AWAITING_REVEALSIG", Kind.DH_KEY, Kind.SIGNATURE)
    completes(target, insider, reveal_of(insider, dh_key))


@scenario(
    requirements=(
        "DHKEY-SIG-1",
        "!DHKEY-SIG-1",
        "DHKEY-SIG-2",
        "!DHKEY-SIG-2",
        "!DHKEY-DHKEY-2",
        "REVEAL-AWAITSIG-1",
        "!REVEAL-AWAITSIG-1",
    )
)
def messages_while_a_signature_is_awaited(context: Context) -> None:
    """In AWAITING_SIG the same D-H Key is answered with the same Reveal Signature each time.

    Another D-H Key, and a Reveal Signature, are ignored. The Signature Message completes the handshake.
    """
    target = context.target_session()
    insider = target.insider()
    commit, reveal = reveal_for(target, insider)
    for _ in range(2):
        check_id = "handshake.reveal-signature-not-repeated"
        (again,) = target.receive(insider.dh_key()).assert_sent(check_id, Kind.REVEAL_SIGNATURE)
        check_equal(check_id, again.body, reveal.body)
        other = messages_of_others(target, context.version)[Kind.DH_KEY]
        case = "another D-H Key Message in AWAITING_SIG"
        target.receive(other).assert_ignored("handshake.other-dh-key-not-ignored", case)
        ignores(target, "AWAITING_SIG", Kind.REVEAL_SIGNATURE)
    completes(target, insider, signature_of(insider, commit, reveal))


@scenario(
    requirements=(
        "REVEAL-ACCEPT-3",
        "!REVEAL-ACCEPT-3",
        "SIG-ACCEPT-2",
        "!SIG-ACCEPT-2",
        "REVEAL-NONE-1",
        "SIG-NONE-1",
    )
)
def repeated_messages_after_the_handshake(context: Context) -> None:
    """After a handshake the state is NONE: its messages are ignored when repeated, and the session goes on."""
    target = context.target_session()
    insider = target.insider()
    genuine = reveal_of(insider, dh_key_for(target, insider))
    target.receive(genuine.raw).one(SessionEstablished)
    for _ in range(2):
        target.receive(genuine.raw).assert_ignored(
            "handshake.stray-reveal-signature-not-ignored", "the Reveal Signature Message again, after the handshake"
        )
        target.receive(insider.dh_key()).assert_ignored(
            "handshake.stray-dh-key-not-ignored", "a D-H Key Message after the handshake"
        )
    target.assert_session_alive(insider)

    target = context.target_session()
    insider = target.insider()
    genuine = signature_of(insider, *reveal_for(target, insider))
    target.receive(genuine.raw).one(SessionEstablished)
    for _ in range(2):
        target.receive(genuine.raw).assert_ignored(
            "handshake.stray-signature-message-not-ignored", "the Signature Message again, after the handshake"
        )
        target.receive(insider.dh_key()).assert_ignored(
            "handshake.stray-dh-key-not-ignored", "the D-H Key Message again, after the handshake"
        )
    target.assert_session_alive(insider)


@scenario(requirements=("!REVEAL-ACCEPT-4", "!SIG-ACCEPT-3", "AKE-HIDE-1", "!AKE-HIDE-1", "AKE-VERIFY-6"))
def no_session_before_verification(context: Context) -> None:
    """Until the last handshake message is verified, no session is reported, and no Data Message is read or sent."""
    unverified = {
        True: "handshake.signature-message-mac-not-verified",
        False: "handshake.reveal-signature-mac-not-verified",
    }
    for target_begins in (True, False):
        with context.case(who_begins(target_begins)):
            target = context.target_session()
            insider = target.insider()
            if target_begins:
                genuine = signature_of(insider, *reveal_for(target, insider))
            else:
                genuine = reveal_of(insider, dh_key_for(target, insider))
            forged = genuine.with_mac(bytes(20))
            refused(target.receive(forged), unverified[target_begins], "a MAC of zeros")
            early = target.receive(insider.data(b"too early"))
            early.assert_rejected(
                "handshake.session-before-verification", "a Data Message before the handshake is complete"
            )
            reply = target.user("send", text=b"to whom?")
            check(
                "handshake.session-before-verification",
                Kind.DATA not in reply.kinds,
                expected="no Data Message before the handshake is complete",
                got=reply,
            )
            made = target.replies(0, TARGET).of(SessionEstablished)
            check("handshake.identity-before-verification", not made, expected="no session reported", got=made)
            inspect = getattr(target.world.parties[TARGET], "inspect", None)
            if inspect is not None:
                kept = [(session.ssid, session.fingerprint) for session in inspect().sessions]
                check(
                    "handshake.identity-before-verification",
                    not any(map(any, kept)),
                    expected="no ssid and no fingerprint in the state of the client",
                    got=kept,
                )


# ---- versions and policies ------------------------------------------------------------------------------------------

BOTH = Policy.ALLOW_V2 | Policy.ALLOW_V3


@scenario(
    needs=("policy", "v2", "v3"),
    requirements=("COMMIT-POLICY-1", "!COMMIT-POLICY-1", "COMMIT-POLICY-2", "!COMMIT-POLICY-2"),
)
def commit_of_a_version_not_allowed(context: Context) -> None:
    """A commit is ignored while the policy does not allow its version, and answered once it does."""
    target = context.target_session(policy=BOTH & ~ALLOW[context.version])
    insider = target.insider()
    target.user("start")
    target.receive(insider.commit()).assert_ignored(
        "handshake.disallowed-commit-not-ignored", "a D-H Commit Message of a version that is not allowed"
    )
    _policy_changes(target, BOTH)
    target.establish(insider)
    target.assert_session_alive(insider)


def _policy_changes(target: TargetSession, policy: Policy) -> None:
    target.world.user(TARGET, "set_policy", policy=policy)


@scenario(
    needs=("policy", "v2", "v3"),
    requirements=(
        "DHKEY-POLICY-1",
        "!DHKEY-POLICY-1",
        "DHKEY-POLICY-2",
        "!DHKEY-POLICY-2",
        "SIG-POLICY-1",
        "!SIG-POLICY-1",
        "SIG-POLICY-2",
        "!SIG-POLICY-2",
        "REVEAL-POLICY-1",
        "!REVEAL-POLICY-1",
        "REVEAL-POLICY-2",
        "!REVEAL-POLICY-2",
    ),
)
def version_disallowed_during_the_handshake(context: Context) -> None:
    """When the version of a handshake under way is no longer allowed, the next message is ignored, whichever it is.

    Once the version is allowed again, the message continues the handshake.
    """
    only_other = BOTH & ~ALLOW[context.version]
    # For the last two messages the text of version 3 names ALLOW_V2 only. [reading POLICY-AKE-FLAG]
    last = Policy.NONE if context.version == 3 else only_other

    target = context.target_session(policy=BOTH)
    insider = target.insider()
    commit = commit_for_query(target)
    _policy_changes(target, only_other)
    target.receive(insider.dh_key()).assert_ignored(
        "handshake.disallowed-dh-key-not-ignored", "a D-H Key Message of a version that is no longer allowed"
    )
    _policy_changes(target, BOTH)
    reveal = target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE)
    genuine = signature_of(insider, commit, reveal)
    _policy_changes(target, last)
    has_no_effect(target, "handshake.disallowed-signature-message-not-ignored", genuine)
    _policy_changes(target, BOTH)
    completes(target, insider, genuine)

    target = context.target_session(policy=BOTH)
    insider = target.insider()
    genuine = reveal_of(insider, dh_key_for(target, insider))
    _policy_changes(target, last)
    has_no_effect(target, "handshake.disallowed-reveal-signature-not-ignored", genuine)
    _policy_changes(target, BOTH)
    completes(target, insider, genuine)


@scenario(versions=(3,), needs=("policy", "v2"), requirements=("DHKEY-VERSION-1", "!DHKEY-VERSION-1"))
def dh_key_of_another_version(context: Context) -> None:
    """A version 2 D-H Key is ignored as an answer to a version 3 commit, even if both versions are allowed.

    A version 3 D-H Key continues the handshake.
    """
    target = context.target_session(policy=BOTH)
    insider = target.insider()
    commit = commit_for_query(target)
    other = Insider(insider.key, 0, version=2, seed=b"older")
    target.receive(other.dh_key()).assert_ignored(
        "handshake.dh-key-version-not-compared", "a version 2 D-H Key Message for a version 3 D-H Commit Message"
    )
    reveal = target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE)
    completes(target, insider, signature_of(insider, commit, reveal))


@scenario(versions=(2,), requirements=("AKE-V1-1", "!AKE-V1-1"))
def version_1_key_exchange_message(context: Context) -> None:
    """A version 1 Key Exchange Message makes no session and gets no answer; a handshake under way completes."""
    target = context.target_session()
    insider = target.insider()
    refused(
        target.receive(key_exchange_1(insider)),
        "handshake.version-1-key-exchange-accepted",
        "a version 1 Key Exchange Message",
    )
    commit, reveal = reveal_for(target, insider)
    refused(
        target.receive(key_exchange_1(insider)),
        "handshake.version-1-key-exchange-accepted",
        "a version 1 Key Exchange Message in AWAITING_SIG",
    )
    completes(target, insider, signature_of(insider, commit, reveal))


@scenario(
    requirements=(
        "!COMMIT-FORM-1",
        "!COMMIT-FORM-2",
        "!COMMIT-FORM-3",
        "!DHKEY-FORM-1",
        "!DHKEY-FORM-2",
        "!DHKEY-FORM-3",
        "!DHKEY-FORM-6",
        "!REVEAL-FORM-1",
        "!REVEAL-FORM-2",
        "!REVEAL-FORM-3",
        "!SIG-FORM-1",
        "!SIG-FORM-2",
        "!SIG-FORM-3",
    )
)
def wrong_version_or_type(context: Context) -> None:
    """A handshake message with an unknown version or type, or with the type of another message, is not acted on.

    The same message with the right ones is.
    """
    target = context.target_session()
    insider = target.insider()
    target.user("start")
    for why, message in with_wrong_headers(insider.commit(receiver=insider.target_tag)).items():
        refused(target.receive(message), "handshake.wrong-commit-header-accepted", f"a D-H Commit Message with {why}")
    dh_key = target.receive(insider.commit()).message(Kind.DH_KEY)
    genuine = reveal_of(insider, dh_key)
    for why, message in with_wrong_headers(genuine.raw).items():
        refused(
            target.receive(message),
            "handshake.wrong-reveal-signature-header-accepted",
            f"a Reveal Signature Message with {why}",
        )
    refused(
        target.receive(as_type(genuine.message, 0x12)),
        "handshake.wrong-reveal-signature-header-accepted",
        "a Reveal Signature Message with the type of a Signature Message",
    )
    completes(target, insider, genuine)

    target = context.target_session()
    insider = target.insider()
    commit = commit_for_query(target)
    for why, message in with_wrong_headers(insider.dh_key()).items():
        refused(target.receive(message), "handshake.wrong-dh-key-header-accepted", f"a D-H Key Message with {why}")
    reveal = target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE)
    genuine = signature_of(insider, commit, reveal)
    for why, message in with_wrong_headers(genuine.raw).items():
        refused(
            target.receive(message),
            "handshake.wrong-signature-message-header-accepted",
            f"a Signature Message with {why}",
        )
    refused(
        target.receive(as_type(genuine.message, 0x11)),
        "handshake.wrong-signature-message-header-accepted",
        "a Signature Message with the type of a Reveal Signature Message",
    )
    completes(target, insider, genuine)


# ---- completed handshakes -----------------------------------------------------------------------------------------


@scenario(
    needs=("stored_messages", "policy"),
    requirements=("REVEAL-ACCEPT-5", "SIG-ACCEPT-4", "REVEAL-ACCEPT-4", "SIG-ACCEPT-3"),
)
def stored_text_is_sent_when_the_session_begins(context: Context) -> None:
    """A text typed under REQUIRE_ENCRYPTION just before is sent encrypted when the handshake completes.

    In one role it directly follows the Signature Message; in the other it is sent alone.
    """
    for target_begins in (True, False):
        with context.case(who_begins(target_begins)):
            target = context.target_session(policy=ALLOW[context.version] | Policy.REQUIRE_ENCRYPTION)
            insider = target.insider()
            target.user("send", text=b"hold this for me").assert_sent("user.query-not-sent-for-text", Kind.QUERY)
            if target_begins:
                commit = target.query().message(Kind.DH_COMMIT)
                reveal = target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE)
                reply = target.receive(signature_of(insider, commit, reveal).raw)
                reply.assert_sent("user.stored-text-not-sent", Kind.DATA)
            else:
                dh_key = target.receive(insider.commit()).message(Kind.DH_KEY)
                reply = target.receive(reveal_of(insider, dh_key).raw)
                reply.assert_sent("user.stored-text-not-sent", Kind.SIGNATURE, Kind.DATA)
            reply.one(SessionEstablished)
            text = target.read(insider, reply.message(Kind.DATA)).text
            check_equal("user.stored-text-sent-wrongly", text, b"hold this for me")
            target.assert_session_alive(insider)


@scenario(requirements=("!REVEAL-ACCEPT-5", "!SIG-ACCEPT-4", "REVEAL-ACCEPT-2", "SIG-ACCEPT-3"))
def nothing_extra_is_sent_without_stored_texts(context: Context) -> None:
    """If no text is stored, a handshake ends with the Signature Message in one role and no message in the other."""
    target = context.target_session()
    insider = target.insider()
    reply = target.receive(reveal_of(insider, dh_key_for(target, insider)).raw)
    reply.assert_sent("handshake.wrong-last-message", Kind.SIGNATURE)
    target = context.target_session()
    insider = target.insider()
    reply = target.receive(signature_of(insider, *reveal_for(target, insider)).raw)
    reply.assert_sent("handshake.wrong-last-message")


@scenario(requirements=("AKE-BOTH-1", "!AKE-BOTH-1", "!KEYS-FPR-3", "STATE-ENCRYPTED-4"))
def session_refreshed_under_another_key(context: Context) -> None:
    """When a handshake in a running session uses another long-term key, the target reports that key.

    It does not report the same key as before, and from then on only the new session keys are used.
    """
    for target_begins in (True, False):
        with context.case(who_begins(target_begins)):
            target, first = context.encrypted()
            target.assert_session_alive(first)
            second = target.insider("carol", seed=b"second")
            target.tick(300)
            established = target.establish(second, target_begins=target_begins)
            check_told("handshake.new-key-called-same", established.same_key, False)
            target.assert_session_alive(second)
            target.receive(first.data(b"from the first")).assert_rejected(
                "state.replaced-session-read", "a Data Message under the keys of the session before"
            )
