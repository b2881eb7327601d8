"""Error Messages: what counts as one, what the target does when it receives one, and what its own say.

[OTR Error Messages, Receiving an Error Message]
"""

from __future__ import annotations

import hashlib
from base64 import b64encode

from otterproof.harness.testkit.context import ALLOW, Context, TargetSession, check
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.reply import Reply
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, build
from otterproof.harness.wire.layers import parse_plaintext
from otterproof.harness.wire.numbers import fingerprint
from otterproof.implementations.contract import ErrorMessageReceived, Policy, SessionEstablished, TextReceived

ERROR = b"?OTR Error: "


def errors_told(reply: Reply) -> list[bytes | None]:
    """The texts that the user was shown: those of errors (None if shown without its text), and those in the clear."""
    return [event.text for event in reply.events if isinstance(event, (ErrorMessageReceived, TextReceived))]


@scenario(needs=("policy",), requirements=("ERROR-FORM-1", "!ERROR-FORM-1", "ERROR-START-1", "!ERROR-FORM-3"))
def errors_are_recognised_by_their_marker(context: Context) -> None:
    """A message is an Error Message if "?OTR Error:" occurs anywhere in it; with any other spelling it is text."""
    target = context.target_session(policy=ALLOW[context.version] | Policy.ERROR_START_AKE)
    for message in (b"?OTR Error: no", b"?OTR Error:", b"hello ?OTR Error: no", b"<b>?OTR Error:no</b>"):
        target.receive(message).assert_sent("error.not-recognised", Kind.QUERY, case=message)
    for text in (b"?OTR Error no", b"? OTR Error: no", b"?OTR error: no"):
        target.receive(text).assert_sent("error.text-taken-for-error", case=text)


@scenario(needs=("policy",), requirements=("ERROR-START-2", "!ERROR-START-1", "!ERROR-START-2"))
def errors_start_a_handshake_only_by_policy(context: Context) -> None:
    """An Error Message is answered with a query if ERROR_START_AKE is set, and not answered if it is not."""
    for flag in (Policy.NONE, Policy.ERROR_START_AKE):
        for state, target, _ in context.each_state(ALLOW[context.version] | flag):
            with context.case(state):
                reply = target.receive(ERROR + b"no")
                if flag:
                    reply.assert_sent("error.not-answered", Kind.QUERY, case=state.upper())
                else:
                    reply.assert_sent("error.answered-without-flag", case=state.upper())


@scenario(requirements=("ERROR-SHOW-1", "!ERROR-SHOW-1"))
def errors_are_shown_in_every_message_state(context: Context) -> None:
    """An Error Message is shown to the user in every message state, and plain text is not taken for one."""
    for state, target, _ in context.each_state():
        with context.case(state):
            told = errors_told(target.receive(ERROR + b"it went wrong"))
            seen = len(told) == 1 and (told[0] is None or b"it went wrong" in told[0])
            check("error.not-shown", seen, expected="the error, once", got=told, case=state.upper())
            errors = target.receive(b"it went wrong").of(ErrorMessageReceived)
            case = "a text without the mark"
            check("error.text-taken-for-error", not errors, expected="no error is shown", got=errors, case=case)


@scenario(requirements=("ERROR-STATE-1", "!ERROR-STATE-1"))
def errors_change_no_state(context: Context) -> None:
    """An Error Message disturbs neither a session nor a handshake, whichever message the handshake awaits."""
    target = context.target_session()
    begins = target.insider()
    target.user("start")
    dh_key = build(target.receive(begins.commit()).message(Kind.DH_KEY))
    target.receive(ERROR + b"in AWAITING_REVEALSIG")
    target.receive(begins.reveal_signature(dh_key)).one(
        SessionEstablished, "error.state-changed", case="AWAITING_REVEALSIG"
    )
    target.receive(ERROR + b"in ENCRYPTED")
    target.assert_session_alive(begins, "error.state-changed")
    target = context.target_session()
    answers = target.insider()
    commit = build(target.query().message(Kind.DH_COMMIT))
    target.receive(ERROR + b"in AWAITING_DHKEY")
    reply = target.receive(answers.dh_key())
    reveal = build(reply.message(Kind.REVEAL_SIGNATURE, "error.state-changed", case="AWAITING_DHKEY"))
    target.receive(ERROR + b"in AWAITING_SIG")
    signature = answers.signature(answers.decommit(commit, reveal))
    target.receive(signature).one(SessionEstablished, "error.state-changed", case="AWAITING_SIG")
    target.assert_session_alive(answers, "error.state-changed")


@scenario(requirements=("ERROR-LOOP-1", "!ERROR-LOOP-1"))
def errors_are_never_answered_with_errors(context: Context) -> None:
    """An Error Message is never answered with an Error Message, even if it is repeated or empty."""
    for state, target, _ in context.each_state():
        with context.case(state):
            for text in (ERROR + b"no", ERROR + b"no", b"?OTR Error:", ERROR + ERROR, ERROR + b"?OTRv4?"):
                answers = target.receive(text).messages(Kind.ERROR)
                case = f"{text.decode()} in {state.upper()}"
                check("error.answered-with-error", not answers, expected="no Error Message", got=answers, case=case)


@scenario(requirements=("ERROR-TEXT-2", "!ERROR-TEXT-2", "!ERROR-FORM-2"))
def error_text_is_not_interpreted(context: Context) -> None:
    """Format characters and markup in an error are shown as they are; one without text or not in UTF-8 does no harm."""
    target, insider = context.encrypted()
    for text in (b"%s%s%n%99999d", b"100% {0} \\x41 $HOME", b"<script>alert(1)</script>"):
        told = errors_told(target.receive(ERROR + text))
        check("error.text-interpreted", any(one is None or text in one for one in told), expected=text, got=told)
    target.receive(ERROR + b"\xff\xfe\x01")
    target.receive(b"?OTR Error:").assert_rejected("error.state-changed", "an Error Message without a text")
    target.assert_session_alive(insider, "error.state-changed")


def _unread(target: TargetSession, insider: Insider, text: bytes) -> list[Reply]:
    """The replies to a text that the target can't read because of its MAC, and to one with a wrong key id."""
    return [
        target.receive(message) for message in (insider.data(text, mac=bytes(20)), insider.data(text, sender_keyid=77))
    ]


@scenario(requirements=("ERROR-FORM-2", "ERROR-FORM-3"))
def own_errors_are_human_readable(context: Context) -> None:
    """The target's own Error Messages have the exact mark "?OTR Error:", followed by text that people can read."""
    target, insider = context.encrypted()
    for reply in _unread(target, insider, b"hello"):
        message = build(reply.message(Kind.ERROR, "error.not-sent-with-mark"))
        words = message.partition(b"?OTR Error:")[2]
        readable = words.decode("utf-8", "replace").strip()
        in_words = len(readable.split()) >= 2 and readable.isprintable()
        check("error.not-in-words", in_words, expected="two words at least, all of them printable", got=message)


@scenario(requirements=("ERROR-TEXT-1", "!ERROR-TEXT-1", "ROBUST-LEAK-1", "!ROBUST-LEAK-1"))
def own_errors_leak_nothing(context: Context) -> None:
    """What the target sends in the clear about an unreadable message reveals no key, text, account or instance tag."""
    target, insider = context.encrypted()
    text = b"the secret in the message"
    keys = insider.keys(insider.our_keyid - 1, insider.their_keyid)
    values = [keys.sending_aes, keys.sending_mac, keys.receiving_aes, keys.receiving_mac, insider.ssid]
    values += [fingerprint(published_key("alice").public), fingerprint(insider.key.public)]
    secrets = [text, hashlib.sha1(text).digest(), b"target@", b"peer@", b"alice", b"example.org"]
    for value in values:
        secrets += [value, value.hex().encode(), value.hex().upper().encode(), b64encode(value)]
    own = target.world.parties["target"].instance_tag
    if own:
        secrets += [b"%x" % own, b"%X" % own, b"%d" % own]
    for message in [raw for reply in _unread(target, insider, text) for raw in reply.raw]:
        found = [secret for secret in secrets if secret in message]
        check("error.secret-revealed", not found, expected="nothing secret", got=found, case=message)
    target.assert_session_alive(insider)


@scenario(requirements=("ERROR-RESEND-1", "!ERROR-RESEND-1"))
def errors_send_no_text_to_another_key(context: Context) -> None:
    """After an error and a new handshake, a text typed for one key is never sent to another or in the clear.

    The client may resend it to the same key, or not.
    """
    for key in ("mallory", "carol"):
        with context.case():
            target, _ = context.encrypted()
            begun = len(target.log)
            target.user("send", text=b"for mallory alone")
            target.receive(ERROR + b"An encrypted message could not be read.")
            again = target.insider(key, seed=b"again")
            replies = [target.handshake_by_insider(again), target.user("send", text=b"for whoever is there")]
            sent = [message for reply in replies for message in reply.messages(Kind.DATA)]
            texts = [parse_plaintext(again.read(build(message))).text for message in sent]
            new = b"for whoever is there"
            check("text.not-delivered", texts[-1:] == [new], expected=new, got=texts, case="the text typed last")
            mine = [one for one in texts if b"for mallory alone" in one]
            check("user.text-sent-to-another-key", key == "mallory" or not mine, got=mine, case=f"sent to {key}")
            clear = [raw for raw in target.replies(begun, "target").raw if b"for mallory" in raw]
            check("text.sent-in-clear", not clear, expected="no text in the clear", got=clear)
