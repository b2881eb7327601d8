"""D-H Key, Reveal Signature and Signature Message in every authentication state; policies; what completion brings.
[Receiving a D-H Key Message, Receiving a Reveal Signature Message, Receiving a Signature Message]
"""

from __future__ import annotations

from collections.abc import Callable

from otterproof.harness import wire
from otterproof.harness.testkit.context import ALLOW, TARGET, Context, TargetSession, check
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, Message
from otterproof.harness.wire.numbers import mpi, public_key
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import Established, Policy, TextReceived
from otterproof.scenarios.conformance.handshake_play import (
    Genuine,
    commit_for_query,
    dh_key_for,
    refused,
    reveal_for,
    reveal_of,
    signature_of,
)


def _completes(target: TargetSession, insider: Insider, genuine: Genuine) -> None:
    """The genuine message completes the handshake, and texts arrive."""
    target.receive(genuine.raw).one(Established)
    target.assert_session_alive(insider)


def _others(target: TargetSession, version: int) -> dict[Kind, bytes]:
    """A well-formed D-H Key, Reveal Signature and Signature Message of a handshake that the target has no part in."""
    stranger = Insider(target.insider().key, target.insider().target_tag, version=version, seed=b"elsewhere")
    far = Insider(stranger.key, 0, version=version, seed=b"far away")
    dh_key = far.dh_key()
    return {
        Kind.DH_KEY: stranger.dh_key(),
        Kind.REVEAL_SIGNATURE: stranger.reveal_signature(dh_key),
        Kind.SIGNATURE: stranger.signature(wire.parse(dh_key).number("gy")),
    }


def _ignores(target: TargetSession, state: str, *kinds: Kind) -> None:
    """Demand that messages of these kinds, of some other handshake, are ignored in the state that the target is in."""
    messages = _others(target, target.version)
    for kind in kinds:
        target.receive(messages[kind]).assert_ignored(f"a {kind} in {state}")


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
    """In NONE a D-H Key, a Reveal Signature and a Signature Message are ignored, with a session and without: a
    handshake begins as ever, and a session is as good as before.
    """
    later = (Kind.DH_KEY, Kind.REVEAL_SIGNATURE, Kind.SIGNATURE)
    target = context.target_session()
    insider = target.insider()
    target.user("start")
    if context.version == 3 and not insider.target_tag:
        dh_key_for(target, insider)  # the target does not tell its tag: learn it from a message
    else:
        _ignores(target, "NONE", *later)
    target.establish(insider)
    _ignores(target, "NONE, after a handshake", *later)
    target.assert_session_alive(insider)


@scenario(requirements=("REVEAL-DHKEY-1", "!REVEAL-DHKEY-1", "SIG-DHKEY-1", "!SIG-DHKEY-1", "!DHKEY-DHKEY-1"))
def messages_while_a_dh_key_is_awaited(context: Context) -> None:
    """In AWAITING_DHKEY a Reveal Signature and a Signature Message are ignored, and so is a D-H Key that is cut short;
    the D-H Key completes the handshake.
    """
    target = context.target_session()
    insider = target.insider()
    commit = commit_for_query(target)
    _ignores(target, "AWAITING_DHKEY", Kind.REVEAL_SIGNATURE, Kind.SIGNATURE)
    body = wire.parse(insider.dh_key()).body
    for size in (len(body) - 1, len(body) - 150, len(body) - 192, len(body) - 194, len(body) - 196):
        refused(
            target.receive(wire.armour(body[:size])),
            "handshake.malformed-dh-key-accepted",
            f"a D-H Key of {size} bytes",
        )
    reveal = target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE)
    _completes(target, insider, signature_of(insider, commit, reveal))


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
    """In AWAITING_REVEALSIG a D-H Key and a Signature Message are ignored, and the Reveal Signature completes."""
    target = context.target_session()
    insider = target.insider()
    dh_key = dh_key_for(target, insider)
    _ignores(target, "AWAITING_REVEALSIG", Kind.DH_KEY, Kind.SIGNATURE)
    _completes(target, insider, reveal_of(insider, dh_key))


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
    """In AWAITING_SIG the same D-H Key is answered with the same Reveal Signature each time; another one, and a Reveal
    Signature, are ignored; the Signature Message completes.
    """
    target = context.target_session()
    insider = target.insider()
    commit, reveal = reveal_for(target, insider)
    for _ in range(2):
        (again,) = target.receive(insider.dh_key()).assert_sent(Kind.REVEAL_SIGNATURE)
        check(again.body == reveal.body, "the same D-H Key is answered with the very same Reveal Signature")
        _ignores(target, "AWAITING_SIG", Kind.DH_KEY, Kind.REVEAL_SIGNATURE)
    _completes(target, insider, signature_of(insider, commit, reveal))


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
def messages_once_more_after_the_handshake(context: Context) -> None:
    """When a handshake has completed the state is NONE: its messages once more are ignored, and the session goes on."""
    target = context.target_session()
    insider = target.insider()
    genuine = reveal_of(insider, dh_key_for(target, insider))
    target.receive(genuine.raw).one(Established)
    for _ in range(2):
        target.receive(genuine.raw).assert_ignored("the Reveal Signature once more")
        target.receive(insider.dh_key()).assert_ignored("a D-H Key after the handshake")
    target.assert_session_alive(insider)

    target = context.target_session()
    insider = target.insider()
    genuine = signature_of(insider, *reveal_for(target, insider))
    target.receive(genuine.raw).one(Established)
    for _ in range(2):
        target.receive(genuine.raw).assert_ignored("the Signature Message once more")
        target.receive(insider.dh_key()).assert_ignored("the D-H Key once more, after the handshake")
    target.assert_session_alive(insider)


@scenario(requirements=("!REVEAL-ACCEPT-4", "!SIG-ACCEPT-3", "AKE-HIDE-1", "!AKE-HIDE-1", "AKE-VERIFY-6"))
def no_session_before_all_is_verified(context: Context) -> None:
    """Until the last message has been verified nobody is reported, data messages are not accepted, and the user's texts
    do not go out as if there were a session.
    """
    unverified = {
        True: "handshake.signature-message-mac-not-verified",
        False: "handshake.reveal-signature-mac-not-verified",
    }
    for target_begins in (True, False):
        target = context.target_session()
        insider = target.insider()
        if target_begins:
            genuine = signature_of(insider, *reveal_for(target, insider))
        else:
            genuine = reveal_of(insider, dh_key_for(target, insider))
        forged = genuine.with_mac(bytes(20))
        refused(target.receive(forged), unverified[target_begins], "a MAC of zeros")
        target.receive(insider.data(b"too early")).assert_rejected("a data message before the handshake is complete")
        sent = target.user("send", text=b"to whom?").kinds
        check(Kind.DATA not in sent, "no data message goes out before the handshake is complete")
        early = target.replies(0, TARGET).of(Established)
        check(not early, f"no session is reported before all is verified, and there was {early}")
        shown = getattr(target.world.parties[TARGET], "inspect", None)
        if shown is not None:
            told = [(session.ssid, session.fingerprint) for session in shown().sessions]
            check(not any(map(any, told)), "no ssid and no fingerprint is kept before all is verified")


# ---- versions and policies ------------------------------------------------------------------------------------------

BOTH = Policy.ALLOW_V2 | Policy.ALLOW_V3


@scenario(
    needs=("policy", "v2", "v3"),
    requirements=("COMMIT-POLICY-1", "!COMMIT-POLICY-1", "COMMIT-POLICY-2", "!COMMIT-POLICY-2"),
)
def commit_of_a_version_not_allowed(context: Context) -> None:
    """A commit is ignored while its version is not allowed, and answered once it is."""
    target = context.target_session(policy=BOTH & ~ALLOW[context.version])
    insider = target.insider()
    target.user("start")
    target.receive(insider.commit()).assert_ignored("a commit of a version that is not allowed")
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
def version_disallowed_in_the_middle(context: Context) -> None:
    """When the version of a handshake under way is no longer allowed its next message is ignored, whichever it is, and
    completes it when the version is allowed again.
    """
    only_other = BOTH & ~ALLOW[context.version]
    # Of the last two messages the text of version 3 names ALLOW_V2 alone. [reading POLICY-AKE-FLAG]
    last = Policy.NONE if context.version == 3 else only_other

    target = context.target_session(policy=BOTH)
    insider = target.insider()
    commit = commit_for_query(target)
    _policy_changes(target, only_other)
    target.receive(insider.dh_key()).assert_ignored("a D-H Key of a version that is not allowed any more")
    _policy_changes(target, BOTH)
    reveal = target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE)
    genuine = signature_of(insider, commit, reveal)
    _policy_changes(target, last)
    _no_session(target, "handshake.disallowed-signature-message-not-ignored", genuine)
    _policy_changes(target, BOTH)
    _completes(target, insider, genuine)

    target = context.target_session(policy=BOTH)
    insider = target.insider()
    genuine = reveal_of(insider, dh_key_for(target, insider))
    _policy_changes(target, last)
    _no_session(target, "handshake.disallowed-reveal-signature-not-ignored", genuine)
    _policy_changes(target, BOTH)
    _completes(target, insider, genuine)


def _no_session(target: TargetSession, check_id: str, genuine: Genuine) -> None:
    """Demand that a message has no effect, though it may be shown: where no version is allowed everything is text."""
    reply = target.receive(genuine.raw)
    case = f"{shown(genuine.message.kind)} of a version that is no longer allowed"
    refused(reply, check_id, case)
    texts = [event.text for event in reply.of(TextReceived)]
    check(check_id, texts in ([], [genuine.raw]), expected="no text, or the message as it is", got=reply, case=case)


@scenario(versions=(3,), needs=("policy", "v2"), requirements=("DHKEY-VERSION-1", "!DHKEY-VERSION-1"))
def dh_key_of_another_version(context: Context) -> None:
    """A D-H Key of version 2 is no answer to a commit of version 3, though both are allowed; the right one is."""
    target = context.target_session(policy=BOTH)
    insider = target.insider()
    commit = commit_for_query(target)
    other = Insider(insider.key, 0, version=2, seed=b"older")
    target.receive(other.dh_key()).assert_ignored("a D-H Key of version 2")
    reveal = target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE)
    _completes(target, insider, signature_of(insider, commit, reveal))


def _key_exchange_1(insider: Insider) -> bytes:
    """A Key Exchange Message of version 1, well formed: reply, public key, key id, D-H key, signature."""
    gx = mpi(wire.parse(insider.dh_key()).number("gy"))
    body = b"\0\1\x0a\0" + public_key(insider.key.public)[2:] + (1).to_bytes(4) + gx + bytes(40)
    return wire.armour(body)


@scenario(versions=(2,), requirements=("AKE-V1-1", "!AKE-V1-1"))
def key_exchange_message_of_version_1(context: Context) -> None:
    """A Key Exchange Message of version 1 makes no session and gets no answer of that version, and a handshake that is
    under way completes.
    """
    target = context.target_session()
    insider = target.insider()
    refused(
        target.receive(_key_exchange_1(insider)),
        "handshake.version-1-key-exchange-accepted",
        "a Key Exchange Message of version 1",
    )
    commit, reveal = reveal_for(target, insider)
    refused(
        target.receive(_key_exchange_1(insider)),
        "handshake.version-1-key-exchange-accepted",
        "a Key Exchange Message of version 1 in AWAITING_SIG",
    )
    _completes(target, insider, signature_of(insider, commit, reveal))


WRONG_HEADERS: dict[str, Callable[[Message], Message]] = {
    "version 4": lambda message: message.with_value("version", 4),
    "version 1": lambda message: message.with_value("version", 1),
    "version 0": lambda message: message.with_value("version", 0),
    "an unknown type": lambda message: message.with_value("type", 0x42),
    "type 0": lambda message: message.with_value("type", 0),
}


def _misheaded(message: bytes) -> dict[str, bytes]:
    parsed = wire.parse(message)
    return {name: wire.build(change(parsed)) for name, change in WRONG_HEADERS.items()}


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
    """A handshake message whose version or type field is none, or is another message's, is not acted upon; the same
    with the right ones is.
    """
    target = context.target_session()
    insider = target.insider()
    target.user("start")
    for why, message in _misheaded(insider.commit(receiver=insider.target_tag)).items():
        refused(target.receive(message), "handshake.wrong-commit-header-accepted", f"a D-H Commit with {why}")
    dh_key = target.receive(insider.commit()).message(Kind.DH_KEY)
    genuine = reveal_of(insider, dh_key)
    for why, message in _misheaded(genuine.raw).items():
        refused(
            target.receive(message),
            "handshake.wrong-reveal-signature-header-accepted",
            f"a Reveal Signature with {why}",
        )
    refused(
        target.receive(_as_type(genuine.message, 0x12)),
        "handshake.wrong-reveal-signature-header-accepted",
        "a Reveal Signature with the type of a Signature Message",
    )
    _completes(target, insider, genuine)

    target = context.target_session()
    insider = target.insider()
    commit = commit_for_query(target)
    for why, message in _misheaded(insider.dh_key()).items():
        refused(target.receive(message), "handshake.wrong-dh-key-header-accepted", f"a D-H Key with {why}")
    reveal = target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE)
    genuine = signature_of(insider, commit, reveal)
    for why, message in _misheaded(genuine.raw).items():
        refused(
            target.receive(message),
            "handshake.wrong-signature-message-header-accepted",
            f"a Signature Message with {why}",
        )
    refused(
        target.receive(_as_type(genuine.message, 0x11)),
        "handshake.wrong-signature-message-header-accepted",
        "a Signature Message with the type of a Reveal Signature",
    )
    _completes(target, insider, genuine)


def _as_type(message: Message, code: int) -> bytes:
    return wire.build(message.with_value("type", code))


# ---- what completion brings -----------------------------------------------------------------------------------------


@scenario(
    needs=("stored_messages", "policy"),
    requirements=("REVEAL-ACCEPT-5", "SIG-ACCEPT-4", "REVEAL-ACCEPT-4", "SIG-ACCEPT-3"),
)
def stored_text_goes_out_when_the_session_is_there(context: Context) -> None:
    """A text typed under REQUIRE_ENCRYPTION a moment ago goes out, encrypted, when the handshake completes: after the
    Signature Message in the one role, at once in the other.
    """
    for target_begins in (True, False):
        target = context.target_session(policy=ALLOW[context.version] | Policy.REQUIRE_ENCRYPTION)
        insider = target.insider()
        target.user("send", text=b"hold this for me").assert_sent(Kind.QUERY)
        if target_begins:
            commit = target.query().message(Kind.DH_COMMIT)
            reveal = target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE)
            reply = target.receive(signature_of(insider, commit, reveal).raw)
            reply.assert_sent(Kind.DATA)
        else:
            dh_key = target.receive(insider.commit()).message(Kind.DH_KEY)
            reply = target.receive(reveal_of(insider, dh_key).raw)
            reply.assert_sent(Kind.SIGNATURE, Kind.DATA)
        reply.one(Established)
        text = target.read(insider, reply.message(Kind.DATA)).text
        check(text == b"hold this for me", f"the stored text arrives, and {text!r} did")
        target.assert_session_alive(insider)


@scenario(requirements=("!REVEAL-ACCEPT-5", "!SIG-ACCEPT-4", "REVEAL-ACCEPT-2", "SIG-ACCEPT-3"))
def nothing_goes_out_that_was_not_stored(context: Context) -> None:
    """When nothing was typed, the handshake ends with the Signature Message, in the other role with no message."""
    target = context.target_session()
    insider = target.insider()
    target.receive(reveal_of(insider, dh_key_for(target, insider)).raw).assert_sent(Kind.SIGNATURE)
    target = context.target_session()
    insider = target.insider()
    target.receive(signature_of(insider, *reveal_for(target, insider)).raw).assert_sent()


@scenario(requirements=("AKE-BOTH-1", "!AKE-BOTH-1", "!KEYS-FPR-3", "STATE-ENCRYPTED-4"))
def session_refreshed_under_another_key(context: Context) -> None:
    """A handshake in a running session with somebody who has another long-term key reports that key, not the one
    before, and is not told as a session with the same key; from then on only the new keys are used.
    """
    for target_begins in (True, False):
        target, first = context.encrypted()
        target.assert_session_alive(first)
        second = target.insider("carol", seed=b"second")
        target.tick(300)
        established = target.establish(second, target_begins=target_begins)
        if target.tells("established", "same_key"):
            check(not established.same_key, "the user is not told that the key is the same as before")
        target.assert_session_alive(second)
        target.receive(first.data(b"from the first")).assert_rejected("a message under the keys of the session before")
