"""What the user asks for: to start, to send, to end; and what becomes of texts that could not be sent.

[User requests to start an OTR conversation, User types a message to be sent, User requests to end an OTR conversation]
"""

from __future__ import annotations

from otterproof.harness import wire
from otterproof.harness.testkit.context import ALLOW, Context, TargetSession, check
from otterproof.harness.testkit.insider import HONEST_SIGNATURE, Insider
from otterproof.harness.testkit.reply import Reply
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, offered_versions
from otterproof.harness.wire.layers import tlv
from otterproof.implementations.contract import RECENT, Ended, Established, Policy, Refused, StoredDropped
from otterproof.scenarios.conformance.handshake_play import LATER, commit_for_query, reveal_for
from otterproof.scenarios.conformance.state import BAD, handshake_steps

#: Texts that could be taken for something else, or be cut short or changed on the way.
TEXTS = (
    b"x",
    b"  blanks, tabs\t and line\r\nends  ",
    b"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\xa6\xa6",
    b"<b>bold</b> &amp; 100% %s",
    b"?OTR",
    b"long " * 2000,
)


def required(context: Context) -> Policy:
    """The version of this run, and nothing in the clear."""
    return ALLOW[context.version] | Policy.REQUIRE_ENCRYPTION


def arrived(target: TargetSession, insider: Insider, reply: Reply) -> list[bytes]:
    """The texts that come in Data Messages, decrypted in the order in which they went out."""
    return [target.read(insider, message).text for message in reply.messages(Kind.DATA)]


def never_shown(target: TargetSession, text: bytes) -> None:
    """Demand that a text has not been on the wire as it is, whatever was sent so far."""
    everything = target.replies(0, target.name).raw
    check(not any(text in message for message in everything), f"{text!r} never goes out in the clear")


# ---- start ----------------------------------------------------------------------------------------------------------


@scenario(requirements=("USER-START-1", "!USER-START-1", "USER-START-2"))
def queries_go_out_when_asked_for(context: Context) -> None:
    """In every message state a query goes out at the user's wish, offering what is allowed, and never without."""
    for state, target, _ in context.each_state():
        (query,) = target.user("start").assert_sent(Kind.QUERY)
        offered = offered_versions(query)
        check(context.version in offered, f"when {state} the query offers version {context.version}, not {offered}")
        kinds = [*target.receive(b"hello").kinds, *target.user("end").kinds, *target.receive(b"bye").kinds]
        check(Kind.QUERY not in kinds, f"when {state} no query goes out that nobody asked for, and there was {kinds}")


@scenario(requirements=("USER-START-2", "!USER-START-2", "!STATE-SECRECY-1"))
def queries_leave_the_session_alone(context: Context) -> None:
    """A query that the target sends while ENCRYPTED or FINISHED changes nothing; texts are encrypted, or not sent."""
    for target_begins in (False, True):
        target, insider = context.encrypted(target_begins=target_begins)
        for number in range(2):
            target.user("start").assert_sent(Kind.QUERY)
            target.assert_sends_text(insider, b"encrypted %d" % number)
        target.assert_session_alive(insider)
        target.end_by_peer(insider)
        target.user("start").assert_sent(Kind.QUERY)
        target.assert_not_sent(b"not sent")


# ---- send -----------------------------------------------------------------------------------------------------------


@scenario(requirements=("USER-SEND-2", "!USER-SEND-2", "!USER-SEND-5", "!USER-SEND-8", "!POLICY-TAG-1"))
def texts_go_out_unchanged_in_plaintext(context: Context) -> None:
    """In PLAINTEXT each text goes out byte for byte, with nothing added that the policy does not ask for."""
    target = context.target_session()
    for text in TEXTS:
        target.assert_sent_in_clear(text)
    insider = target.insider()
    target.establish(insider)
    for text in TEXTS[:-1]:
        found = target.user("send", text=text)
        check(not found.of(Refused), "a text that can be sent is not refused")
        check(arrived(target, insider, found) == [text], f"{text!r} arrives encrypted, and not in the clear")
        never_shown(target, b"\1" + text)


@scenario(requirements=("USER-SEND-6", "!USER-SEND-6", "STATE-ENCRYPTED-1", "!STATE-PLAINTEXT-2"))
def texts_go_out_encrypted_in_a_session(context: Context) -> None:
    """In ENCRYPTED each text goes out in one Data Message that decrypts to it; once that is over, in the clear."""
    target, insider = context.encrypted(target_begins=True)
    for text in TEXTS:
        reply = target.user("send", text=text)
        reply.assert_sent(Kind.DATA)
        check(arrived(target, insider, reply) == [text], f"the Data Message decrypts to {text[:40]!r}")
    target.user("end")
    target.assert_sent_in_clear(TEXTS[0])


@scenario(requirements=("USER-SEND-8", "!USER-SEND-8", "USER-SEND-10", "!USER-SEND-10"))
def texts_are_refused_when_finished(context: Context) -> None:
    """In FINISHED the user is told that a text can't be sent, and nothing goes out; before and after, it does."""
    target, insider = context.encrypted()
    check(not target.user("send", text=b"one").of(Refused), "in ENCRYPTED a text is not refused")
    target.end_by_peer(insider)
    for text in TEXTS:
        refused = target.assert_not_sent(text).one(Refused)
        check(refused.action == "send", f"it is sending that is refused, not {refused.action}")
    target.user("end")
    reply = target.user("send", text=b"two")
    check(not reply.of(Refused) and reply.raw == [b"two"], f"in PLAINTEXT a text is sent, and there was {reply}")


@scenario(
    needs=("policy", "whitespace_tag"),
    requirements=("USER-SEND-3", "!USER-SEND-3", "USER-SEND-4", "!USER-SEND-4", "!POLICY-TAG-1", "POLICY-TAG-1"),
)
def tags_are_sent_until_plaintext_comes(context: Context) -> None:
    """With SEND_WHITESPACE_TAG texts bear a tag until plaintext comes, and again when PLAINTEXT is entered anew."""

    def tagged(target: TargetSession, text: bytes, wanted: bool, when: str) -> None:
        (message,) = target.user("send", text=text).assert_sent(Kind.TAGGED_PLAINTEXT if wanted else Kind.PLAINTEXT)
        if wanted:
            offered = offered_versions(message)
            check(offered == {context.version}, f"{when} the tag offers version {context.version}, not {offered}")
        else:
            check(wire.build(message) == text, f"{when} {text!r} goes out unchanged")

    policy = ALLOW[context.version] | Policy.SEND_WHITESPACE_TAG
    target = context.target_session(policy=policy)
    tagged(target, b"one", True, "at first")
    tagged(target, b"two", True, "as long as nothing came")
    target.receive(b"hello")
    tagged(target, b"three", False, "after plaintext came")
    tagged(target, b"four", False, "after plaintext came")
    for by_user in (False, True):
        insider = target.insider(seed=b"session %d" % by_user)
        target.tick(LATER)
        target.establish(insider)
        if not by_user:
            target.end_by_peer(insider)
        target.user("end")
        tagged(target, b"five", True, "when PLAINTEXT was entered anew")
        target.receive(b"hello")
        tagged(target, b"six", False, "after plaintext came again")


@scenario(needs=("policy", "whitespace_tag"), requirements=("USER-SEND-5", "!USER-SEND-5"))
def nothing_but_plaintext_is_tagged(context: Context) -> None:
    """With SEND_WHITESPACE_TAG the tag goes with plaintext, and with no query, Data Message, or text in FINISHED."""
    policy = ALLOW[context.version] | Policy.SEND_WHITESPACE_TAG
    for state, target, insider in context.each_state(policy):
        query = target.user("start").raw
        check(not any(wire.TAG_BASE in raw for raw in query), f"a query has no tag, and was {query}")
        reply = target.user("send", text=b"hello")
        if state == "plaintext":
            reply.assert_sent(Kind.TAGGED_PLAINTEXT)
        elif state == "encrypted":
            check(arrived(target, insider, reply) == [b"hello"], f"a text that is encrypted has no tag: {reply}")
        else:
            reply.assert_sent()


@scenario(requirements=("USER-SEND-7", "!USER-SEND-7", "USER-STORED-5", "!USER-STORED-5"))
def a_text_that_was_sent_comes_once(context: Context) -> None:
    """After a new handshake a text that was lost may come again, once and encrypted; one that arrived does not.

    Whether it comes again, and whether it is marked then, is left open. [reading USER-RESEND]
    """
    target, insider = context.encrypted()
    target.assert_sends_text(insider, b"arrived")
    target.assert_receives_text(insider, b"thank you")
    target.tick(LATER)
    new = target.insider(seed=b"second")
    again = arrived(target, new, target.handshake_by_insider(new))
    check(not any(b"arrived" in text for text in again), f"what has arrived does not come again, and {again} came")
    target.user("send", text=b"lost on the way")
    target.receive(b"?OTR Error: An encrypted message could not be read.")
    third = target.insider(seed=b"third")
    again = arrived(target, third, target.handshake_by_insider(third))
    check(len(again) <= 1 and all(b"lost on the way" in text for text in again), f"{again} is no repetition of it")
    never_shown(target, b"lost on the way")
    target.assert_session_alive(third)


@scenario(requirements=("USER-STORED-4", "!USER-STORED-4", "!USER-SEND-7"))
def texts_are_not_sent_to_another_key(context: Context) -> None:
    """What was typed in one correspondent's session is not sent to whoever comes next."""
    text = b"for mallory alone"
    for finished in (False, True):
        target, insider = context.encrypted()
        if finished:
            target.end_by_peer(insider)
        target.user("send", text=text)
        target.receive(b"?OTR Error: An encrypted message could not be read.")
        other = target.insider("carol", seed=b"other")
        came = arrived(target, other, target.handshake_by_insider(other))
        # What waits since FINISHED may go to any key, by the reading USER-STORED-KEY.
        check(not came or (finished and came == [text]), f"nothing is sent to another key, and {came} was")
        target.assert_session_alive(other)


@scenario(needs=("lockstep",), requirements=("!USER-STORED-4",))
def engines_keep_texts_for_the_key_they_were_typed_for(context: Context) -> None:
    """A text typed after the correspondent's end waits for the same long-term key, and is sent to no other."""
    target, insider = context.encrypted()
    target.end_by_peer(insider)
    target.user("send", text=b"for mallory alone")
    other = target.insider("carol", seed=b"other")
    came = arrived(target, other, target.handshake_by_insider(other))
    check(not came, f"nothing is sent to another key, and {came} was")


# ---- texts that wait ------------------------------------------------------------------------------------------------


@scenario(
    needs=("policy",),
    requirements=("USER-SEND-1", "!USER-SEND-1", "POLICY-REQUIRE-1", "!POLICY-REQUIRE-1", "!USER-SEND-2"),
)
def a_query_goes_out_in_place_of_the_text(context: Context) -> None:
    """Under REQUIRE_ENCRYPTION each text typed in PLAINTEXT sends one query, in every authentication state."""
    target = context.target_session(policy=required(context))
    insider = target.insider()
    target.user("send", text=b"first text").assert_sent(Kind.QUERY)
    target.user("send", text=b"second text").assert_sent(Kind.QUERY)
    target.receive(b"hello")
    target.user("send", text=b"third text").assert_sent(Kind.QUERY)
    reveal_for(target, insider)
    target.user("send", text=b"fourth text").assert_sent(Kind.QUERY)
    commit_for_query(target)
    target.user("send", text=b"fifth text").assert_sent(Kind.QUERY)
    for text in (b"first", b"second", b"third", b"fourth", b"fifth"):
        never_shown(target, text)
    target = context.target_session(policy=required(context) ^ Policy.REQUIRE_ENCRYPTION)
    target.assert_sent_in_clear(b"without the flag")


@scenario(
    needs=("policy", "stored_messages"),
    requirements=("USER-STORED-1", "!USER-STORED-1", "USER-STORED-2", "USER-SEND-1", "!USER-STORED-5"),
)
def stored_texts_are_sent_once_encrypted(context: Context) -> None:
    """Texts stored under REQUIRE_ENCRYPTION come when a handshake completes, in order and once; none when it fails."""
    for target_begins in (False, True):
        target = context.target_session(policy=required(context))
        insider = target.insider()
        for text in (b"first text", b"second text"):
            target.user("send", text=text)
        *_, last = handshake_steps(target, insider, target_begins=target_begins)
        check(not target.receive(last(BAD)).messages(Kind.DATA), "nothing is sent when the handshake fails")
        target = context.target_session(policy=required(context))
        insider = target.insider()
        for text in (b"first text", b"second text"):
            target.user("send", text=text)
        reply = target.handshake_by_target(insider) if target_begins else target.handshake_by_insider(insider)
        reply.one(Established)
        if not target_begins:
            check(reply.kinds[:1] == [Kind.SIGNATURE], f"the Signature goes before stored texts: {reply.kinds}")
        came = arrived(target, insider, reply)
        check(came in ([b"first text", b"second text"], [b"second text"]), f"the stored texts come, not {came}")
        target.assert_receives_text(insider, b"thank you")
        target.assert_sends_text(insider, b"third text")
        new = target.insider(seed=b"again")
        again = arrived(target, new, target.handshake_by_insider(new))
        check(not {b"first text", b"second text"} & set(again), f"stored texts come once, and {again} came again")
        never_shown(target, b"t text")


@scenario(needs=("stored_messages",), requirements=("USER-SEND-9", "!USER-SEND-9"))
def texts_typed_when_finished_are_kept(context: Context) -> None:
    """A text typed in FINISHED comes once, encrypted, when a handshake with the same key follows; others do not."""
    target, insider = context.encrypted()
    target.assert_sends_text(insider, b"before")
    target.assert_receives_text(insider, b"yes")
    target.end_by_peer(insider)
    target.assert_not_sent(b"after the end")
    new = target.insider(seed=b"again")
    came = arrived(target, new, target.handshake_by_insider(new))
    check(came == [b"after the end"], f"the text typed in FINISHED comes, alone, and {came} came")
    target.assert_session_alive(new)
    never_shown(target, b"after the end")


@scenario(needs=("policy", "stored_messages"), requirements=("USER-STORED-2", "!USER-STORED-2", "!POLICY-REQUIRE-1"))
def stored_texts_never_go_out_in_the_clear(context: Context) -> None:
    """Nothing that comes, no failure and no change of policy brings out a stored text, only a handshake does."""
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
    never_shown(target, b"stored text")


@scenario(needs=("policy", "stored_messages", "time"), requirements=("USER-STORED-3", "!USER-STORED-3"))
def old_stored_texts_stay_unsent(context: Context) -> None:
    """A stored text comes if it is recent; there is one age above which it does not, if any. [reading USER-RECENT]"""
    sent = {}
    for age in (0, 10, 70, 3600, 86400):
        target = context.target_session(policy=required(context))
        insider = target.insider()
        target.user("send", text=b"stored text")
        target.tick(age)
        sent[age] = arrived(target, insider, target.handshake_by_insider(insider))
        check(sent[age] in ([], [b"stored text"]), f"the stored text comes, or nothing, after {age} s: {sent[age]}")
        never_shown(target, b"stored text")
        target.assert_sends_text(insider, b"from now on")
    check(bool(sent[0]), "a text that was stored this very second is recent")
    order = [bool(came) for came in sent.values()]
    check(order == sorted(order, reverse=True), f"a text that is older is not sent when a newer one is not: {sent}")


@scenario(needs=("lockstep",), requirements=("USER-STORED-3", "!USER-STORED-3"))
def engines_keep_stored_texts_for_a_minute(context: Context) -> None:
    """The project's engines send what was stored up to 60 seconds ago, and tell the user of what is older."""
    for age in (RECENT, RECENT + 1):
        target = context.target_session(policy=required(context))
        insider = target.insider()
        target.user("send", text=b"stored text")
        target.tick(age)
        reply = target.handshake_by_insider(insider)
        came, dropped = arrived(target, insider, reply), [event.text for event in reply.of(StoredDropped)]
        found = (came, dropped)
        wanted: tuple[list[bytes], list[bytes]] = ([b"stored text"], []) if age == RECENT else ([], [b"stored text"])
        check(found == wanted, f"after {age} s what is sent and what is dropped is {wanted}, and was {found}")


# ---- end ------------------------------------------------------------------------------------------------------------


@scenario(requirements=("USER-END-1", "!USER-END-1", "!USER-END-2"))
def ending_plaintext_does_nothing(context: Context) -> None:
    """In PLAINTEXT the user's end sends nothing, and a handshake under way completes after it."""
    for target_begins in (False, True):
        target = context.target_session()
        insider = target.insider()
        lasts = []
        for last in handshake_steps(target, insider, target_begins=target_begins):
            lasts.append(last)
            reply = target.user("end")
            reply.assert_sent()
            check(not reply.of(Ended), "nothing ends that was not there")
            target.assert_sent_in_clear(b"as before")
        target.receive(lasts[-1](HONEST_SIGNATURE)).one(Established)
        target.assert_session_alive(insider)
        check(bool(target.user("end").raw), "in ENCRYPTED the same action sends something")


@scenario(requirements=("USER-END-2", "!USER-END-2", "USER-END-3", "!USER-END-3"))
def ending_a_session_says_so(context: Context) -> None:
    """In ENCRYPTED the user's end sends one Data Message without text, with a type 1 TLV, and leads to PLAINTEXT."""
    for target_begins in (False, True):
        target, insider = context.encrypted(target_begins=target_begins)
        target.assert_session_alive(insider)
        (message,) = target.user("end").assert_sent(Kind.DATA)
        plaintext = target.read(insider, message)
        check(not plaintext.text, f"the message that ends a session has no text, and has {plaintext.text!r}")
        types = [one.type for one in plaintext.tlvs]
        check(types.count(1) == 1, f"the message that ends a session has one type 1 TLV, and has {types}")
        target.assert_sent_in_clear(b"in the open")
        reply = target.receive(insider.data(b"too late"))
        reply.assert_rejected("a message of the session that was ended")
        target.user("end").assert_sent()


@scenario(requirements=("USER-END-4", "!USER-END-4", "!USER-END-2"))
def ending_finished_leads_to_plaintext(context: Context) -> None:
    """In FINISHED no text goes out until the user ends, which sends nothing; then texts go out in the clear."""
    target, insider = context.encrypted()
    target.end_by_peer(insider)
    target.assert_not_sent(b"not yet")
    target.user("end").assert_sent()
    target.assert_sent_in_clear(b"in the open")
    target.receive(insider.data(tlvs=[tlv(1)])).assert_rejected("an end that comes twice")
    target.assert_sent_in_clear(b"in the open still")
