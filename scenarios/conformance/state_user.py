"""What the user asks for: to start, to send, to end; and what becomes of texts that could not be sent.

[User requests to start an OTR conversation, User types a message to be sent, User requests to end an OTR conversation]
"""

from __future__ import annotations

from harness import wire
from harness.course import Reply
from harness.insider import HONEST, Insider
from harness.scenario import scenario
from harness.stage import ALLOW, Stage, Subject, check
from harness.wire import Kind, offered_versions
from harness.wire.layers import tlv
from implementations.contract import RECENT, Ended, Established, Policy, Refused, StoredDropped
from scenarios.conformance.handshake_play import LATER, commit_for_query, reveal_for
from scenarios.conformance.state import BAD, handshake_steps

#: Texts that could be taken for something else, or be cut short or changed on the way.
TEXTS = (
    b"x",
    b"  blanks, tabs\t and line\r\nends  ",
    b"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\xa6\xa6",
    b"<b>bold</b> &amp; 100% %s",
    b"?OTR",
    b"long " * 2000,
)


def required(stage: Stage) -> Policy:
    """The version of this run, and nothing in the clear."""
    return ALLOW[stage.version] | Policy.REQUIRE_ENCRYPTION


def arrived(subject: Subject, insider: Insider, reply: Reply) -> list[bytes]:
    """The texts that come in Data Messages, decrypted in the order in which they went out."""
    return [subject.read(insider, message).text for message in reply.messages(Kind.DATA)]


def never_shown(subject: Subject, text: bytes) -> None:
    """Demand that a text has not been on the wire as it is, whatever was sent so far."""
    everything = subject.replies(0, subject.name).raw
    check(not any(text in message for message in everything), f"{text!r} never goes out in the clear")


# ---- start ----------------------------------------------------------------------------------------------------------


@scenario(requirements=("USER-START-1", "!USER-START-1", "USER-START-2"))
def queries_go_out_when_asked_for(stage: Stage) -> None:
    """In every message state a query goes out at the user's wish, offering what is allowed, and never without."""
    for state, subject, _ in stage.each_state():
        (query,) = subject.user("start").sends(Kind.QUERY)
        offered = offered_versions(query)
        check(stage.version in offered, f"when {state} the query offers version {stage.version}, not {offered}")
        kinds = [*subject.give(b"hello").kinds, *subject.user("end").kinds, *subject.give(b"bye").kinds]
        check(Kind.QUERY not in kinds, f"when {state} no query goes out that nobody asked for, and there was {kinds}")


@scenario(requirements=("USER-START-2", "!USER-START-2", "!STATE-SECRECY-1"))
def queries_leave_the_session_alone(stage: Stage) -> None:
    """A query that the target sends while ENCRYPTED or FINISHED changes nothing; texts are encrypted, or not sent."""
    for target_begins in (False, True):
        subject, insider = stage.encrypted(target_begins=target_begins)
        for number in range(2):
            subject.user("start").sends(Kind.QUERY)
            subject.says(insider, b"encrypted %d" % number)
        subject.still_talks(insider)
        subject.finish(insider)
        subject.user("start").sends(Kind.QUERY)
        subject.unsent(b"not sent")


# ---- send -----------------------------------------------------------------------------------------------------------


@scenario(requirements=("USER-SEND-2", "!USER-SEND-2", "!USER-SEND-5", "!USER-SEND-8", "!POLICY-TAG-1"))
def texts_go_out_unchanged_in_plaintext(stage: Stage) -> None:
    """In PLAINTEXT each text goes out byte for byte, with nothing added that the policy does not ask for."""
    subject = stage.subject()
    for text in TEXTS:
        subject.in_clear(text)
    insider = subject.insider()
    subject.establish(insider)
    for text in TEXTS[:-1]:
        found = subject.user("send", text=text)
        check(not found.of(Refused), "a text that can be sent is not refused")
        check(arrived(subject, insider, found) == [text], f"{text!r} arrives encrypted, and not in the clear")
        never_shown(subject, b"\1" + text)


@scenario(requirements=("USER-SEND-6", "!USER-SEND-6", "STATE-ENCRYPTED-1", "!STATE-PLAINTEXT-2"))
def texts_go_out_encrypted_in_a_session(stage: Stage) -> None:
    """In ENCRYPTED each text goes out in one Data Message that decrypts to it; once that is over, in the clear."""
    subject, insider = stage.encrypted(target_begins=True)
    for text in TEXTS:
        reply = subject.user("send", text=text)
        reply.sends(Kind.DATA)
        check(arrived(subject, insider, reply) == [text], f"the Data Message decrypts to {text[:40]!r}")
    subject.user("end")
    subject.in_clear(TEXTS[0])


@scenario(requirements=("USER-SEND-8", "!USER-SEND-8", "USER-SEND-10", "!USER-SEND-10"))
def texts_are_refused_when_finished(stage: Stage) -> None:
    """In FINISHED the user is told that a text can't be sent, and nothing goes out; before and after, it does."""
    subject, insider = stage.encrypted()
    check(not subject.user("send", text=b"one").of(Refused), "in ENCRYPTED a text is not refused")
    subject.finish(insider)
    for text in TEXTS:
        refused = subject.unsent(text).one(Refused)
        check(refused.action == "send", f"it is sending that is refused, not {refused.action}")
    subject.user("end")
    reply = subject.user("send", text=b"two")
    check(not reply.of(Refused) and reply.raw == [b"two"], f"in PLAINTEXT a text is sent, and there was {reply}")


@scenario(
    needs=("policy", "whitespace_tag"),
    requirements=("USER-SEND-3", "!USER-SEND-3", "USER-SEND-4", "!USER-SEND-4", "!POLICY-TAG-1", "POLICY-TAG-1"),
)
def tags_are_sent_until_plaintext_comes(stage: Stage) -> None:
    """With SEND_WHITESPACE_TAG texts bear a tag until plaintext comes, and again when PLAINTEXT is entered anew."""

    def tagged(subject: Subject, text: bytes, wanted: bool, when: str) -> None:
        (message,) = subject.user("send", text=text).sends(Kind.TAGGED_PLAINTEXT if wanted else Kind.PLAINTEXT)
        if wanted:
            offered = offered_versions(message)
            check(offered == {stage.version}, f"{when} the tag offers version {stage.version}, not {offered}")
        else:
            check(wire.build(message) == text, f"{when} {text!r} goes out unchanged")

    policy = ALLOW[stage.version] | Policy.SEND_WHITESPACE_TAG
    subject = stage.subject(policy=policy)
    tagged(subject, b"one", True, "at first")
    tagged(subject, b"two", True, "as long as nothing came")
    subject.give(b"hello")
    tagged(subject, b"three", False, "after plaintext came")
    tagged(subject, b"four", False, "after plaintext came")
    for by_user in (False, True):
        insider = subject.insider(seed=b"session %d" % by_user)
        subject.tick(LATER)
        subject.establish(insider)
        if not by_user:
            subject.finish(insider)
        subject.user("end")
        tagged(subject, b"five", True, "when PLAINTEXT was entered anew")
        subject.give(b"hello")
        tagged(subject, b"six", False, "after plaintext came again")


@scenario(needs=("policy", "whitespace_tag"), requirements=("USER-SEND-5", "!USER-SEND-5"))
def nothing_but_plaintext_is_tagged(stage: Stage) -> None:
    """With SEND_WHITESPACE_TAG the tag goes with plaintext, and with no query, Data Message, or text in FINISHED."""
    policy = ALLOW[stage.version] | Policy.SEND_WHITESPACE_TAG
    for state, subject, insider in stage.each_state(policy):
        query = subject.user("start").raw
        check(not any(wire.TAG_BASE in raw for raw in query), f"a query has no tag, and was {query}")
        reply = subject.user("send", text=b"hello")
        if state == "plaintext":
            reply.sends(Kind.TAGGED_PLAINTEXT)
        elif state == "encrypted":
            check(arrived(subject, insider, reply) == [b"hello"], f"a text that is encrypted has no tag: {reply}")
        else:
            reply.sends()


@scenario(requirements=("USER-SEND-7", "!USER-SEND-7", "USER-STORED-5", "!USER-STORED-5"))
def a_text_that_was_sent_comes_once(stage: Stage) -> None:
    """After a new handshake a text that was lost may come again, once and encrypted; one that arrived does not.

    Whether it comes again, and whether it is marked then, is left open. [reading USER-RESEND]
    """
    subject, insider = stage.encrypted()
    subject.says(insider, b"arrived")
    subject.hears(insider, b"thank you")
    subject.tick(LATER)
    new = subject.insider(seed=b"second")
    again = arrived(subject, new, subject.begin(new))
    check(not any(b"arrived" in text for text in again), f"what has arrived does not come again, and {again} came")
    subject.user("send", text=b"lost on the way")
    subject.give(b"?OTR Error: An encrypted message could not be read.")
    third = subject.insider(seed=b"third")
    again = arrived(subject, third, subject.begin(third))
    check(len(again) <= 1 and all(b"lost on the way" in text for text in again), f"{again} is no repetition of it")
    never_shown(subject, b"lost on the way")
    subject.still_talks(third)


@scenario(requirements=("USER-STORED-4", "!USER-STORED-4", "!USER-SEND-7"))
def texts_are_not_sent_to_another_key(stage: Stage) -> None:
    """What was typed in one correspondent's session is not sent to whoever comes next."""
    text = b"for mallory alone"
    for finished in (False, True):
        subject, insider = stage.encrypted()
        if finished:
            subject.finish(insider)
        subject.user("send", text=text)
        subject.give(b"?OTR Error: An encrypted message could not be read.")
        other = subject.insider("carol", seed=b"other")
        came = arrived(subject, other, subject.begin(other))
        # What waits since FINISHED may go to any key, by the reading USER-STORED-KEY.
        check(not came or (finished and came == [text]), f"nothing is sent to another key, and {came} was")
        subject.still_talks(other)


@scenario(needs=("lockstep",), requirements=("!USER-STORED-4",))
def engines_keep_texts_for_the_key_they_were_typed_for(stage: Stage) -> None:
    """A text typed after the correspondent's end waits for the same long-term key, and is sent to no other."""
    subject, insider = stage.encrypted()
    subject.finish(insider)
    subject.user("send", text=b"for mallory alone")
    other = subject.insider("carol", seed=b"other")
    came = arrived(subject, other, subject.begin(other))
    check(not came, f"nothing is sent to another key, and {came} was")


# ---- texts that wait ------------------------------------------------------------------------------------------------


@scenario(
    needs=("policy",),
    requirements=("USER-SEND-1", "!USER-SEND-1", "POLICY-REQUIRE-1", "!POLICY-REQUIRE-1", "!USER-SEND-2"),
)
def a_query_goes_out_in_place_of_the_text(stage: Stage) -> None:
    """Under REQUIRE_ENCRYPTION each text typed in PLAINTEXT sends one query, in every authentication state."""
    subject = stage.subject(policy=required(stage))
    insider = subject.insider()
    subject.user("send", text=b"first text").sends(Kind.QUERY)
    subject.user("send", text=b"second text").sends(Kind.QUERY)
    subject.give(b"hello")
    subject.user("send", text=b"third text").sends(Kind.QUERY)
    reveal_for(subject, insider)
    subject.user("send", text=b"fourth text").sends(Kind.QUERY)
    commit_for_query(subject)
    subject.user("send", text=b"fifth text").sends(Kind.QUERY)
    for text in (b"first", b"second", b"third", b"fourth", b"fifth"):
        never_shown(subject, text)
    subject = stage.subject(policy=required(stage) ^ Policy.REQUIRE_ENCRYPTION)
    subject.in_clear(b"without the flag")


@scenario(
    needs=("policy", "stored_messages"),
    requirements=("USER-STORED-1", "!USER-STORED-1", "USER-STORED-2", "USER-SEND-1", "!USER-STORED-5"),
)
def stored_texts_are_sent_once_encrypted(stage: Stage) -> None:
    """Texts stored under REQUIRE_ENCRYPTION come when a handshake completes, in order and once; none when it fails."""
    for target_begins in (False, True):
        subject = stage.subject(policy=required(stage))
        insider = subject.insider()
        for text in (b"first text", b"second text"):
            subject.user("send", text=text)
        *_, last = handshake_steps(subject, insider, target_begins=target_begins)
        check(not subject.give(last(BAD)).messages(Kind.DATA), "nothing is sent when the handshake fails")
        subject = stage.subject(policy=required(stage))
        insider = subject.insider()
        for text in (b"first text", b"second text"):
            subject.user("send", text=text)
        reply = subject.answer(insider) if target_begins else subject.begin(insider)
        reply.one(Established)
        if not target_begins:
            check(reply.kinds[:1] == [Kind.SIGNATURE], f"the Signature goes before stored texts: {reply.kinds}")
        came = arrived(subject, insider, reply)
        check(came in ([b"first text", b"second text"], [b"second text"]), f"the stored texts come, not {came}")
        subject.hears(insider, b"thank you")
        subject.says(insider, b"third text")
        new = subject.insider(seed=b"again")
        again = arrived(subject, new, subject.begin(new))
        check(not {b"first text", b"second text"} & set(again), f"stored texts come once, and {again} came again")
        never_shown(subject, b"t text")


@scenario(needs=("stored_messages",), requirements=("USER-SEND-9", "!USER-SEND-9"))
def texts_typed_when_finished_are_kept(stage: Stage) -> None:
    """A text typed in FINISHED comes once, encrypted, when a handshake with the same key follows; others do not."""
    subject, insider = stage.encrypted()
    subject.says(insider, b"before")
    subject.hears(insider, b"yes")
    subject.finish(insider)
    subject.unsent(b"after the end")
    new = subject.insider(seed=b"again")
    came = arrived(subject, new, subject.begin(new))
    check(came == [b"after the end"], f"the text typed in FINISHED comes, alone, and {came} came")
    subject.still_talks(new)
    never_shown(subject, b"after the end")


@scenario(needs=("policy", "stored_messages"), requirements=("USER-STORED-2", "!USER-STORED-2", "!POLICY-REQUIRE-1"))
def stored_texts_never_go_out_in_the_clear(stage: Stage) -> None:
    """Nothing that comes, no failure and no change of policy brings out a stored text, only a handshake does."""
    subject = stage.subject(policy=required(stage))
    subject.user("send", text=b"stored text")
    insider = subject.insider()
    for message in (b"hello", b"?OTR Error: no", b"?OTRv9?"):
        subject.give(message)
    subject.user("end")
    subject.tick(LATER)
    *_, last = handshake_steps(subject, insider, target_begins=False)
    subject.give(last(BAD))
    subject.query()
    subject.user("start")
    subject.world.step(subject.name, "set_policy", {"policy": ALLOW[stage.version]})
    subject.user("send", text=b"open words")
    subject.give(b"hello again")
    never_shown(subject, b"stored text")


@scenario(needs=("policy", "stored_messages", "time"), requirements=("USER-STORED-3", "!USER-STORED-3"))
def old_stored_texts_stay_unsent(stage: Stage) -> None:
    """A stored text comes if it is recent; there is one age above which it does not, if any. [reading USER-RECENT]"""
    sent = {}
    for age in (0, 10, 70, 3600, 86400):
        subject = stage.subject(policy=required(stage))
        insider = subject.insider()
        subject.user("send", text=b"stored text")
        subject.tick(age)
        sent[age] = arrived(subject, insider, subject.begin(insider))
        check(sent[age] in ([], [b"stored text"]), f"the stored text comes, or nothing, after {age} s: {sent[age]}")
        never_shown(subject, b"stored text")
        subject.says(insider, b"from now on")
    check(bool(sent[0]), "a text that was stored this very second is recent")
    order = [bool(came) for came in sent.values()]
    check(order == sorted(order, reverse=True), f"a text that is older is not sent when a newer one is not: {sent}")


@scenario(needs=("lockstep",), requirements=("USER-STORED-3", "!USER-STORED-3"))
def engines_keep_stored_texts_for_a_minute(stage: Stage) -> None:
    """The project's engines send what was stored up to 60 seconds ago, and tell the user of what is older."""
    for age in (RECENT, RECENT + 1):
        subject = stage.subject(policy=required(stage))
        insider = subject.insider()
        subject.user("send", text=b"stored text")
        subject.tick(age)
        reply = subject.begin(insider)
        came, dropped = arrived(subject, insider, reply), [event.text for event in reply.of(StoredDropped)]
        found = (came, dropped)
        wanted: tuple[list[bytes], list[bytes]] = ([b"stored text"], []) if age == RECENT else ([], [b"stored text"])
        check(found == wanted, f"after {age} s what is sent and what is dropped is {wanted}, and was {found}")


# ---- end ------------------------------------------------------------------------------------------------------------


@scenario(requirements=("USER-END-1", "!USER-END-1", "!USER-END-2"))
def ending_plaintext_does_nothing(stage: Stage) -> None:
    """In PLAINTEXT the user's end sends nothing, and a handshake under way completes after it."""
    for target_begins in (False, True):
        subject = stage.subject()
        insider = subject.insider()
        lasts = []
        for last in handshake_steps(subject, insider, target_begins=target_begins):
            lasts.append(last)
            reply = subject.user("end")
            reply.sends()
            check(not reply.of(Ended), "nothing ends that was not there")
            subject.in_clear(b"as before")
        subject.give(lasts[-1](HONEST)).one(Established)
        subject.still_talks(insider)
        check(bool(subject.user("end").raw), "in ENCRYPTED the same action sends something")


@scenario(requirements=("USER-END-2", "!USER-END-2", "USER-END-3", "!USER-END-3"))
def ending_a_session_says_so(stage: Stage) -> None:
    """In ENCRYPTED the user's end sends one Data Message without text, with a type 1 TLV, and leads to PLAINTEXT."""
    for target_begins in (False, True):
        subject, insider = stage.encrypted(target_begins=target_begins)
        subject.still_talks(insider)
        (message,) = subject.user("end").sends(Kind.DATA)
        plaintext = subject.read(insider, message)
        check(not plaintext.text, f"the message that ends a session has no text, and has {plaintext.text!r}")
        types = [one.type for one in plaintext.tlvs]
        check(types.count(1) == 1, f"the message that ends a session has one type 1 TLV, and has {types}")
        subject.in_clear(b"in the open")
        reply = subject.give(insider.data(b"too late"))
        reply.accepts_nothing("a message of the session that was ended")
        subject.user("end").sends()


@scenario(requirements=("USER-END-4", "!USER-END-4", "!USER-END-2"))
def ending_finished_leads_to_plaintext(stage: Stage) -> None:
    """In FINISHED no text goes out until the user ends, which sends nothing; then texts go out in the clear."""
    subject, insider = stage.encrypted()
    subject.finish(insider)
    subject.unsent(b"not yet")
    subject.user("end").sends()
    subject.in_clear(b"in the open")
    subject.give(insider.data(tlvs=[tlv(1)])).accepts_nothing("an end that comes twice")
    subject.in_clear(b"in the open still")
