"""What the user asks for: to start, to send, to end; and what happens to texts that can't be sent.

[User requests to start an OTR conversation, User types a message to be sent, User requests to end an OTR conversation]
"""

from __future__ import annotations

from otterproof.harness import wire
from otterproof.harness.testkit.context import ALLOW, Context, TargetSession, check, check_equal, who_begins
from otterproof.harness.testkit.insider import HONEST_SIGNATURE, Insider
from otterproof.harness.testkit.reply import Reply
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, offered_versions
from otterproof.harness.wire.layers import tlv
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import (
    RECENT,
    ActionRefused,
    Policy,
    SessionEstablished,
    StoredTextDropped,
    UserEndedSession,
)
from otterproof.scenarios.conformance.handshake_play import LATER, commit_for_query, reveal_for
from otterproof.scenarios.conformance.state import BAD, handshake_steps

#: Texts that could be misread, truncated or changed on the way.
TEXTS = (
    b"x",
    b"  blanks, tabs\t and line\r\nends  ",
    b"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\xa6\xa6",
    b"<b>bold</b> &amp; 100% %s",
    b"?OTR",
    b"long " * 2000,
)


def required(context: Context) -> Policy:
    """The policy that allows this run's version and requires encryption."""
    return ALLOW[context.version] | Policy.REQUIRE_ENCRYPTION


def arrived(target: TargetSession, insider: Insider, reply: Reply) -> list[bytes]:
    """The texts in the Data Messages of a reply, decrypted, in the order in which they were sent."""
    return [target.read(insider, message).text for message in reply.messages(Kind.DATA)]


def never_shown(target: TargetSession, check_id: str, text: bytes) -> None:
    """Demand that none of the messages sent so far contains a text in the clear."""
    found = [message for message in target.replies(0, target.name).raw if text in message]
    check(check_id, not found, expected="nothing in the clear", got=found, case=text)


# ---- start ----------------------------------------------------------------------------------------------------------


@scenario(requirements=("USER-START-1", "!USER-START-1", "USER-START-2"))
def queries_go_out_when_asked_for(context: Context) -> None:
    """In every message state, a query for the allowed version goes out when the user asks for one, and only then."""
    for state, target, _ in context.each_state():
        with context.case(state):
            (query,) = target.user("start").assert_sent("user.query-not-sent", Kind.QUERY, case=state.upper())
            offered, wanted = offered_versions(query), context.version
            check("query.wrong-versions-offered", wanted in offered, expected=wanted, got=sorted(offered))
            kinds = [*target.receive(b"hello").kinds, *target.user("end").kinds, *target.receive(b"bye").kinds]
            unasked = Kind.QUERY in kinds
            check("user.query-sent-unasked", not unasked, expected="no query", got=kinds, case=state.upper())


@scenario(requirements=("USER-START-2", "!USER-START-2", "!STATE-SECRECY-1"))
def queries_do_not_affect_the_session(context: Context) -> None:
    """A query that goes out in ENCRYPTED or FINISHED changes nothing: texts are still encrypted, or not sent."""
    disturbs = "user.query-disturbs-session"
    for target_begins in (False, True):
        with context.case(who_begins(target_begins)):
            target, insider = context.encrypted(target_begins=target_begins)
            for number in range(2):
                target.user("start").assert_sent("user.query-not-sent", Kind.QUERY, case="ENCRYPTED")
                target.assert_sends_text(insider, b"encrypted %d" % number, check_id=disturbs)
            target.assert_session_alive(insider, disturbs)
            target.end_by_peer(insider)
            target.user("start").assert_sent("user.query-not-sent", Kind.QUERY, case="FINISHED")
            target.assert_not_sent(b"not sent", disturbs)


# ---- send -----------------------------------------------------------------------------------------------------------


@scenario(requirements=("USER-SEND-2", "!USER-SEND-2", "!USER-SEND-5", "!USER-SEND-8", "!POLICY-TAG-1"))
def texts_go_out_unchanged_in_plaintext(context: Context) -> None:
    """In PLAINTEXT, each text goes out byte for byte, with nothing added that the policy does not ask for."""
    target = context.target_session()
    for text in TEXTS:
        with context.where_possible():
            target.assert_sent_in_clear(text)
    insider = target.insider()
    target.establish(insider)
    for text in TEXTS[:-1]:
        with context.where_possible():
            reply = target.user("send", text=text)
            check("user.text-refused", not reply.of(ActionRefused), expected=Kind.DATA, got=reply, case="ENCRYPTED")
            came = arrived(target, insider, reply)
            check_equal("user.text-not-encrypted", came, [text])
            check("text.sent-in-clear", text not in reply.raw, expected=Kind.DATA, got=reply)


@scenario(requirements=("USER-SEND-6", "!USER-SEND-6", "STATE-ENCRYPTED-1", "!STATE-PLAINTEXT-2"))
def texts_go_out_encrypted_in_a_session(context: Context) -> None:
    """In ENCRYPTED, each text goes out in one Data Message that decrypts to it; after the user's end, in the clear."""
    target, insider = context.encrypted(target_begins=True)
    for text in TEXTS:
        with context.where_possible():
            reply = target.user("send", text=text)
            reply.assert_sent("user.text-not-encrypted", Kind.DATA)
            came = arrived(target, insider, reply)
            check_equal("user.text-not-encrypted", came, [text])
    target.user("end")
    target.assert_sent_in_clear(TEXTS[0], "user.end-not-to-plaintext")


@scenario(requirements=("USER-SEND-8", "!USER-SEND-8", "USER-SEND-10", "!USER-SEND-10"))
def texts_are_refused_when_finished(context: Context) -> None:
    """In FINISHED, the user is told that a text can't be sent, and nothing goes out; before and after, it is sent."""
    target, insider = context.encrypted()
    reply = target.user("send", text=b"one")
    check("user.text-refused", not reply.of(ActionRefused), expected=Kind.DATA, got=reply, case="ENCRYPTED")
    target.end_by_peer(insider)
    for text in TEXTS:
        with context.where_possible():
            refused = target.assert_not_sent(text).one(ActionRefused, "user.text-refusal-not-reported")
            action = refused.action
            check_equal("user.wrong-action-refused", action, "send")
    target.user("end")
    reply = target.user("send", text=b"two")
    check("user.text-refused", not reply.of(ActionRefused), expected=b"two", got=reply, case="PLAINTEXT")
    check("user.end-not-to-plaintext", reply.raw == [b"two"], expected=b"two", got=reply)


@scenario(
    needs=("policy", "whitespace_tag"),
    requirements=("USER-SEND-3", "!USER-SEND-3", "USER-SEND-4", "!USER-SEND-4", "!POLICY-TAG-1", "POLICY-TAG-1"),
)
def tags_are_sent_until_plaintext_comes(context: Context) -> None:
    """With SEND_WHITESPACE_TAG, texts carry a tag until plaintext arrives, and again after PLAINTEXT is re-entered."""

    def tagged(target: TargetSession, text: bytes, wanted: bool, when: str) -> None:
        reply = target.user("send", text=text)
        if wanted:
            (message,) = reply.assert_sent("tag.not-sent", Kind.TAGGED_PLAINTEXT, case=when)
            offered, version = offered_versions(message), context.version
            right = offered == {version}
            check("tag.wrong-versions-offered", right, expected=version, got=sorted(offered), case=when)
        else:
            (message,) = reply.assert_sent("tag.sent-after-plaintext", Kind.PLAINTEXT, case=when)
            raw = wire.build(message)
            check_equal("text.not-sent-in-clear", raw, text, case=when)

    policy = ALLOW[context.version] | Policy.SEND_WHITESPACE_TAG
    target = context.target_session(policy=policy)
    tagged(target, b"one", True, "at first")
    tagged(target, b"two", True, "while nothing has arrived")
    target.receive(b"hello")
    tagged(target, b"three", False, "after plaintext arrived")
    tagged(target, b"four", False, "after plaintext arrived")
    for by_user in (False, True):
        insider = target.insider(seed=b"session %d" % by_user)
        target.tick(LATER)
        target.establish(insider)
        if not by_user:
            target.end_by_peer(insider)
        target.user("end")
        tagged(target, b"five", True, "after PLAINTEXT was entered again")
        target.receive(b"hello")
        tagged(target, b"six", False, "after plaintext arrived again")


@scenario(needs=("policy", "whitespace_tag"), requirements=("USER-SEND-5", "!USER-SEND-5"))
def only_plaintext_is_tagged(context: Context) -> None:
    """With SEND_WHITESPACE_TAG, only texts in PLAINTEXT carry a tag, not queries or Data Messages."""
    policy = ALLOW[context.version] | Policy.SEND_WHITESPACE_TAG
    for state, target, insider in context.each_state(policy):
        with context.case(state):
            query = target.user("start").raw
            tagged = any(wire.TAG_BASE in raw for raw in query)
            check("tag.on-other-message", not tagged, expected="no tag", got=query, case="a query")
            reply = target.user("send", text=b"hello")
            if state == "plaintext":
                reply.assert_sent("tag.not-sent", Kind.TAGGED_PLAINTEXT)
            elif state == "encrypted":
                came = arrived(target, insider, reply)
                check_equal("tag.on-other-message", came, [b"hello"], case="a Data Message")
            else:
                reply.assert_sent("text.sent-after-end")


@scenario(requirements=("USER-SEND-7", "!USER-SEND-7", "USER-STORED-5", "!USER-STORED-5"))
def resent_text_arrives_once(context: Context) -> None:
    """After a new handshake, a text that was lost may be resent, once and encrypted; a text that arrived may not.

    Whether a text is resent, and whether it is then marked as resent, is left open. [reading USER-RESEND]
    """
    target, insider = context.encrypted()
    target.assert_sends_text(insider, b"arrived")
    target.assert_receives_text(insider, b"thank you")
    target.tick(LATER)
    new = target.insider(seed=b"second")
    again = arrived(target, new, target.handshake_by_insider(new))
    repeated = [text for text in again if b"arrived" in text]
    check("user.delivered-text-sent-again", not repeated, expected="no such text", got=again)
    target.user("send", text=b"lost on the way")
    target.receive(b"?OTR Error: An encrypted message could not be read.")
    third = target.insider(seed=b"third")
    again = arrived(target, third, target.handshake_by_insider(third))
    fits = len(again) <= 1 and all(b"lost on the way" in text for text in again)
    check("user.lost-text-sent-wrongly", fits, expected=b"lost on the way", got=again)
    never_shown(target, "text.sent-in-clear", b"lost on the way")
    target.assert_session_alive(third)


@scenario(requirements=("USER-STORED-4", "!USER-STORED-4", "!USER-SEND-7"))
def texts_are_not_sent_to_another_key(context: Context) -> None:
    """A text typed in a session is not sent in a later session with another key."""
    text = b"for mallory alone"
    for finished in (False, True):
        with context.case():
            target, insider = context.encrypted()
            if finished:
                target.end_by_peer(insider)
            target.user("send", text=text)
            target.receive(b"?OTR Error: An encrypted message could not be read.")
            other = target.insider("carol", seed=b"other")
            came = arrived(target, other, target.handshake_by_insider(other))
            # By the reading USER-STORED-KEY, a text typed in FINISHED may be sent to any key.
            kept = not came or (finished and came == [text])
            check("user.text-sent-to-another-key", kept, expected="no text", got=came)
            target.assert_session_alive(other)


@scenario(needs=("lockstep",), requirements=("!USER-STORED-4",))
def engines_keep_texts_for_the_key_they_were_typed_for(context: Context) -> None:
    """This project's engines send a text typed after the peer's end to the same long-term key only."""
    target, insider = context.encrypted()
    target.end_by_peer(insider)
    target.user("send", text=b"for mallory alone")
    other = target.insider("carol", seed=b"other")
    came = arrived(target, other, target.handshake_by_insider(other))
    case = "a text that was typed in FINISHED"
    check("user.text-sent-to-another-key", not came, expected="no text", got=came, case=case)


# ---- texts that wait ------------------------------------------------------------------------------------------------


@scenario(
    needs=("policy",),
    requirements=("USER-SEND-1", "!USER-SEND-1", "POLICY-REQUIRE-1", "!POLICY-REQUIRE-1", "!USER-SEND-2"),
)
def query_replaces_text_when_encryption_is_required(context: Context) -> None:
    """With REQUIRE_ENCRYPTION, each text typed in PLAINTEXT sends one query, in every authentication state."""

    def asks(text: bytes, when: str) -> None:
        target.user("send", text=text).assert_sent("user.query-not-sent-for-text", Kind.QUERY, case=when)

    target = context.target_session(policy=required(context))
    insider = target.insider()
    asks(b"first text", "the first text")
    asks(b"second text", "another text")
    target.receive(b"hello")
    asks(b"third text", "a text after plaintext arrived")
    reveal_for(target, insider)
    asks(b"fourth text", "a text in AWAITING_SIG")
    commit_for_query(target)
    asks(b"fifth text", "a text in AWAITING_DHKEY")
    for text in (b"first", b"second", b"third", b"fourth", b"fifth"):
        never_shown(target, "policy.text-sent-in-clear", text)
    target = context.target_session(policy=required(context) ^ Policy.REQUIRE_ENCRYPTION)
    target.assert_sent_in_clear(b"without the flag")


@scenario(
    needs=("policy", "stored_messages"),
    requirements=("USER-STORED-1", "!USER-STORED-1", "USER-STORED-2", "USER-SEND-1", "!USER-STORED-5"),
)
def stored_texts_are_sent_once_encrypted(context: Context) -> None:
    """Texts stored under REQUIRE_ENCRYPTION are sent once, in order, when a handshake completes, not if it fails."""
    for target_begins in (False, True):
        with context.case(who_begins(target_begins)):
            target = context.target_session(policy=required(context))
            insider = target.insider()
            for text in (b"first text", b"second text"):
                target.user("send", text=text)
            *_, last = handshake_steps(target, insider, target_begins=target_begins)
            reply = target.receive(last(BAD))
            failed = not reply.messages(Kind.DATA)
            check("user.stored-text-sent-after-failure", failed, expected="no Data Message", got=reply)
            target = context.target_session(policy=required(context))
            insider = target.insider()
            for text in (b"first text", b"second text"):
                target.user("send", text=text)
            reply = target.handshake_by_target(insider) if target_begins else target.handshake_by_insider(insider)
            reply.one(SessionEstablished)
            if not target_begins:
                first = reply.kinds[:1]
                check_equal("user.stored-text-before-signature", first, [Kind.SIGNATURE])
            came, texts = arrived(target, insider, reply), [b"first text", b"second text"]
            check("user.stored-text-not-sent", texts[1] in came, expected=texts, got=came)
            check("user.stored-text-sent-wrongly", came in (texts, texts[1:]), expected=texts, got=came)
            target.assert_receives_text(insider, b"thank you")
            target.assert_sends_text(insider, b"third text")
            new = target.insider(seed=b"again")
            again = arrived(target, new, target.handshake_by_insider(new))
            once = not {*texts} & {*again}
            check("user.stored-text-sent-wrongly", once, expected="no text a second time", got=again)
            for text in texts:
                never_shown(target, "policy.text-sent-in-clear", text)


@scenario(needs=("stored_messages",), requirements=("USER-SEND-9", "!USER-SEND-9"))
def texts_typed_when_finished_are_kept(context: Context) -> None:
    """A text typed in FINISHED is sent once, encrypted, after a handshake with the same key; no other text is."""
    target, insider = context.encrypted()
    target.assert_sends_text(insider, b"before")
    target.assert_receives_text(insider, b"yes")
    target.end_by_peer(insider)
    target.assert_not_sent(b"after the end")
    new = target.insider(seed=b"again")
    came = arrived(target, new, target.handshake_by_insider(new))
    text = b"after the end"
    check_equal("user.text-typed-when-finished-lost", came, [text])
    target.assert_session_alive(new)
    never_shown(target, "user.stored-text-sent-in-clear", text)


@scenario(needs=("policy", "stored_messages"), requirements=("USER-STORED-2", "!USER-STORED-2", "!POLICY-REQUIRE-1"))
def stored_texts_never_go_out_in_the_clear(context: Context) -> None:
    """No message, failure or policy change makes a stored text go out; only a completed handshake does."""
    target = context.target_session(policy=required(context))
    target.user("send", text=b"stored text")
    insider = target.insider()
    for message in (b"hello", b"?OTR Error: no", b"?OTRv9?"):
        target.receive(message)
    target.user("end")
    target.tick(LATER)
    *_, last = handshake_steps(target, insider, target_begins=False)
    target.receive(last(BAD))
    target.query()
    target.user("start")
    target.world.step(target.name, "set_policy", {"policy": ALLOW[context.version]})
    target.user("send", text=b"open words")
    target.receive(b"hello again")
    never_shown(target, "user.stored-text-sent-in-clear", b"stored text")


@scenario(needs=("policy", "stored_messages", "time"), requirements=("USER-STORED-3", "!USER-STORED-3"))
def old_stored_texts_stay_unsent(context: Context) -> None:
    """A stored text is sent if it is recent; beyond some age, it may stay unsent. [reading USER-RECENT]"""
    sent = {}
    for age in (0, 10, 70, 3600, 86400):
        with context.case():
            target = context.target_session(policy=required(context))
            insider = target.insider()
            target.user("send", text=b"stored text")
            target.tick(age)
            sent[age] = arrived(target, insider, target.handshake_by_insider(insider))
            once = sent[age] in ([], [b"stored text"])
            check("user.stored-text-sent-wrongly", once, expected=b"stored text", got=sent[age], case=f"after {age} s")
            never_shown(target, "user.stored-text-sent-in-clear", b"stored text")
            target.assert_sends_text(insider, b"from now on")
    check("user.stored-text-not-sent", bool(sent[0]), expected=b"stored text", got=sent[0], case="after 0 s")
    order = [bool(came) for came in sent.values()]
    one_limit = order == sorted(order, reverse=True)
    told = {f"after {age} s": "sent" if came else "not sent" for age, came in sent.items()}
    check("user.old-text-sent", one_limit, expected="one age up to which a text is sent", got=told)


@scenario(needs=("lockstep",), requirements=("USER-STORED-3", "!USER-STORED-3"))
def engines_keep_stored_texts_for_a_minute(context: Context) -> None:
    """This project's engines send texts stored up to 60 seconds ago, and tell the user of older ones."""
    for age in (RECENT, RECENT + 1):
        with context.case():
            target = context.target_session(policy=required(context))
            insider = target.insider()
            target.user("send", text=b"stored text")
            target.tick(age)
            reply = target.handshake_by_insider(insider)
            came, dropped = arrived(target, insider, reply), [event.text for event in reply.of(StoredTextDropped)]
            found = (came, dropped)
            wanted: tuple[list[bytes], list[bytes]] = (
                ([b"stored text"], []) if age == RECENT else ([], [b"stored text"])
            )
            told = [f"sent: {shown(sent)}; dropped: {shown(old)}" for sent, old in (wanted, found)]
            check("user.stored-text-age-limit", found == wanted, expected=told[0], got=told[1], case=f"after {age} s")


# ---- end ------------------------------------------------------------------------------------------------------------


@scenario(requirements=("USER-END-1", "!USER-END-1", "!USER-END-2"))
def ending_in_plaintext_does_nothing(context: Context) -> None:
    """In PLAINTEXT, the user's end sends nothing, and a handshake under way completes after it."""
    for target_begins in (False, True):
        with context.case(who_begins(target_begins)):
            target = context.target_session()
            insider = target.insider()
            lasts = []
            for last in handshake_steps(target, insider, target_begins=target_begins):
                lasts.append(last)
                reply = target.user("end")
                reply.assert_sent("user.end-acts-in-plaintext")
                ended = reply.of(UserEndedSession)
                check("user.end-acts-in-plaintext", not ended, expected="no session ends", got=ended)
                target.assert_sent_in_clear(b"as before", "user.end-acts-in-plaintext")
            target.receive(lasts[-1](HONEST_SIGNATURE)).one(SessionEstablished, "user.end-disturbs-handshake")
            target.assert_session_alive(insider)
            reply = target.user("end")
            check("user.end-not-sent", bool(reply.raw), expected=Kind.DATA, got=reply)


@scenario(requirements=("USER-END-2", "!USER-END-2", "USER-END-3", "!USER-END-3"))
def ending_a_session_notifies_the_peer(context: Context) -> None:
    """In ENCRYPTED, the user's end sends one Data Message without text, with a type 1 TLV, and leads to PLAINTEXT."""
    for target_begins in (False, True):
        with context.case(who_begins(target_begins)):
            target, insider = context.encrypted(target_begins=target_begins)
            target.assert_session_alive(insider)
            (message,) = target.user("end").assert_sent("user.end-not-sent", Kind.DATA)
            plaintext = target.read(insider, message)
            check("user.end-has-text", not plaintext.text, expected="no text", got=plaintext.text)
            types = [one.type for one in plaintext.tlvs]
            one = types.count(1) == 1
            check(
                "user.end-without-disconnected-tlv", one, expected="one TLV of type 1", got=f"TLV types: {shown(types)}"
            )
            target.assert_sent_in_clear(b"in the open", "user.end-not-to-plaintext")
            reply = target.receive(insider.data(b"too late"))
            reply.assert_rejected("state.ended-session-read", "a message after the user ended the session")
            target.user("end").assert_sent("user.end-acts-in-plaintext")


@scenario(requirements=("USER-END-4", "!USER-END-4", "!USER-END-2"))
def ending_in_finished_leads_to_plaintext(context: Context) -> None:
    """In FINISHED, the user's end sends nothing and leads to PLAINTEXT; until then, no text goes out."""
    target, insider = context.encrypted()
    target.end_by_peer(insider)
    target.assert_not_sent(b"not yet")
    target.user("end").assert_sent("user.end-sent-in-finished")
    target.assert_sent_in_clear(b"in the open", "user.end-not-to-plaintext")
    again = insider.data(tlvs=[tlv(1)])
    target.receive(again).assert_rejected("state.ended-session-read", "an end that arrives twice")
    target.assert_sent_in_clear(b"in the open still", "user.end-not-to-plaintext")
