"""Error Messages: what is one, what comes of it, and what the target's own ones say.

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
from otterproof.implementations.contract import ErrorReceived, Established, Policy, TextReceived

ERROR = b"?OTR Error: "


def _told(reply: Reply) -> list[bytes]:
    """What the user was shown: of errors, and of texts in the clear."""
    return [event.text for event in reply.events if isinstance(event, (ErrorReceived, TextReceived))]


@scenario(needs=("policy",), requirements=("ERROR-FORM-1", "!ERROR-FORM-1", "ERROR-START-1", "!ERROR-FORM-3"))
def errors_are_known_by_their_mark(context: Context) -> None:
    """A message with the mark anywhere in it is an Error Message and brings a query; without the colon it is text."""
    target = context.target_session(policy=ALLOW[context.version] | Policy.ERROR_START_AKE)
    for message in (b"?OTR Error: no", b"?OTR Error:", b"hello ?OTR Error: no", b"<b>?OTR Error:no</b>"):
        reply = target.receive(message)
        reply.assert_sent(Kind.QUERY)
    for text in (b"?OTR Error no", b"? OTR Error: no", b"?OTR error: no"):
        target.receive(text).assert_sent()


@scenario(needs=("policy",), requirements=("ERROR-START-2", "!ERROR-START-1", "!ERROR-START-2"))
def errors_start_something_only_by_policy(context: Context) -> None:
    """An Error Message is answered with a query if ERROR_START_AKE is set, and else with nothing."""
    for flag in (Policy.NONE, Policy.ERROR_START_AKE):
        for _, target, _ in context.each_state(ALLOW[context.version] | flag):
            target.receive(ERROR + b"no").assert_sent(*[Kind.QUERY] * bool(flag))


@scenario(requirements=("ERROR-SHOW-1", "!ERROR-SHOW-1"))
def errors_are_shown_in_every_message_state(context: Context) -> None:
    """The user sees an Error Message whatever the message state, and plain text is not taken for one."""
    for state, target, _ in context.each_state():
        told = _told(target.receive(ERROR + b"it went wrong"))
        seen = len(told) == 1 and b"it went wrong" in told[0]
        check(seen, f"when {state} the user is shown the error once, and was shown {told}")
        errors = target.receive(b"it went wrong").of(ErrorReceived)
        check(not errors, f"text without the mark is no error, and was shown as {errors}")


@scenario(requirements=("ERROR-STATE-1", "!ERROR-STATE-1"))
def errors_change_no_state(context: Context) -> None:
    """An Error Message between any two steps of a handshake, or in a session, disturbs neither."""
    target = context.target_session()
    begins = target.insider()
    target.user("start")
    dh_key = build(target.receive(begins.commit()).message(Kind.DH_KEY))
    target.receive(ERROR + b"in AWAITING_REVEALSIG")
    target.receive(begins.reveal_signature(dh_key)).one(Established)
    target.receive(ERROR + b"in ENCRYPTED")
    target.assert_session_alive(begins)
    target = context.target_session()
    answers = target.insider()
    commit = build(target.query().message(Kind.DH_COMMIT))
    target.receive(ERROR + b"in AWAITING_DHKEY")
    reveal = build(target.receive(answers.dh_key()).message(Kind.REVEAL_SIGNATURE))
    target.receive(ERROR + b"in AWAITING_SIG")
    target.receive(answers.signature(answers.decommit(commit, reveal))).one(Established)
    target.assert_session_alive(answers)


@scenario(requirements=("ERROR-LOOP-1", "!ERROR-LOOP-1"))
def errors_are_never_answered_with_errors(context: Context) -> None:
    """Neither an Error Message, nor several, nor one with nothing in it, brings back an Error Message."""
    for state, target, _ in context.each_state():
        for text in (ERROR + b"no", ERROR + b"no", b"?OTR Error:", ERROR + ERROR, ERROR + b"?OTRv4?"):
            kinds = target.receive(text).kinds
            check(Kind.ERROR not in kinds, f"when {state} the error {text!r} is not answered with an error")


@scenario(requirements=("ERROR-TEXT-2", "!ERROR-TEXT-2", "!ERROR-FORM-2"))
def the_text_of_an_error_is_data(context: Context) -> None:
    """Format characters and markup in an error are shown as they are; an error without a text does no harm."""
    target, insider = context.encrypted()
    for text in (b"%s%s%n%99999d", b"100% {0} \\x41 $HOME", b"<script>alert(1)</script>", b"\xff\xfe\x01"):
        told = _told(target.receive(ERROR + text))
        check(any(text in one for one in told), f"the error's text {text!r} is shown as it is, and there was {told}")
    target.receive(b"?OTR Error:").assert_rejected("an error without a text")
    target.assert_session_alive(insider)


def _unread(target: TargetSession, insider: Insider, text: bytes) -> list[Reply]:
    """What comes of a text that the target can't read: for its authenticator, and for a key id."""
    return [
        target.receive(message) for message in (insider.data(text, mac=bytes(20)), insider.data(text, sender_keyid=77))
    ]


@scenario(requirements=("ERROR-FORM-2", "ERROR-FORM-3"))
def the_own_errors_speak_to_people(context: Context) -> None:
    """An Error Message begins with its exact mark, and what follows are words for people."""
    target, insider = context.encrypted()
    for reply in _unread(target, insider, b"hello"):
        message = build(reply.message(Kind.ERROR))
        words = message.partition(b"?OTR Error:")[2]
        readable = words.decode("utf-8", "replace").strip()
        check(len(readable.split()) >= 2 and readable.isprintable(), f"{message!r} tells in words what went wrong")


@scenario(requirements=("ERROR-TEXT-1", "!ERROR-TEXT-1", "ROBUST-LEAK-1", "!ROBUST-LEAK-1"))
def the_own_errors_give_nothing_away(context: Context) -> None:
    """What is sent in the clear about an unreadable message names no key, no text, no account and no client."""
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
        check(not found, f"{message!r} gives nothing away, and has {found}")
    target.assert_session_alive(insider)


@scenario(requirements=("ERROR-RESEND-1", "!ERROR-RESEND-1"))
def errors_send_no_text_to_another_key(context: Context) -> None:
    """After an error and a new handshake, a text written for one key comes at most to that key, and never in the clear.

    Whether it is sent again to the same key is left to the client.
    """
    for key in ("mallory", "carol"):
        target, _ = context.encrypted()
        begun = len(target.log)
        target.user("send", text=b"for mallory alone")
        target.receive(ERROR + b"An encrypted message could not be read.")
        again = target.insider(key, seed=b"again")
        replies = [target.handshake_by_insider(again), target.user("send", text=b"for whoever is there")]
        sent = [message for reply in replies for message in reply.messages(Kind.DATA)]
        texts = [parse_plaintext(again.read(build(message))).text for message in sent]
        check(texts[-1:] == [b"for whoever is there"], f"the new text arrives, and there was {texts}")
        mine = [one for one in texts if b"for mallory alone" in one]
        check(key == "mallory" or not mine, f"the text for mallory is not sent to {key}, and was: {mine}")
        clear = [raw for raw in target.replies(begun, "target").raw if b"for mallory" in raw]
        check(not clear, f"the text does not go out in the clear, and did: {clear}")
