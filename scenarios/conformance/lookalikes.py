"""Texts that look like OTR, typed or received, in every message state: marks, queries, tags and parts of them.

How a text arrives decides how it is read. Typed at the keyboard or protected by a MAC, it is always text. In the clear,
it is an OTR message if it has the form of one, wherever the mark stands in it, and text if not. [Unencoded messages,
User requests to send an IM message, Receiving plaintext]
"""

from __future__ import annotations

from otterproof.harness.testkit.context import ALLOW, Context, TargetSession, check
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.reply import Reply
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import TAG_BASE, TAG_VERSIONS, Kind, Message, build
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import (
    ErrorMessageReceived,
    Policy,
    SessionEstablished,
    TextReceived,
    UserEndedSession,
)
from otterproof.scenarios.conformance.handshake_play import LATER, dh_key_for

#: Queries. A client may take a typed query as the user's wish to start OTR.
QUERIES = (b"?OTR?", b"?OTRv23?", b"?OTR?v2?")

#: Texts that contain a query.
WITH_QUERIES = (b"shall we use ?OTRv23? or not", b"<b>?OTRv3?</b>")

#: Texts that contain another OTR mark, complete or not.
MARKS = (
    b"?OTR",
    b"?OTR:",
    b"?OTR:AAMD.",
    b"see ?OTR:AAIC. and so on",
    b"?OTR,",
    b"?OTR,1,2,?OTR:AAMD,",
    b"?OTR,1,1,?OTRv23?,",
    b"?OTR|",
    b"?OTR|100|101,1,1,hello,",
    b"?OTR Error:",
    b"?OTR Error: nobody knows",
    b"it says ?OTR Error: nobody knows",
    b"a tag" + TAG_BASE + TAG_VERSIONS[2] + TAG_VERSIONS[3],
    TAG_BASE + TAG_VERSIONS[3] + b"behind a tag",
    b"half a tag" + TAG_BASE,
    b"?",
    b"?OTR:" + b"AAMD" * 20_000 + b".",
)

#: Texts in the clear that have no form of OTR: their marks are truncated or misspelt.
FORMLESS = (
    b"?",
    b"?OTR v23?",
    b"? OTR?v23?",
    b"?otrv23?",
    b"?OT" + b"R" * 20,
    b"?OTR Error no",
    b"half a tag" + TAG_BASE,
    b"half a tag" + TAG_BASE[:-1] + TAG_VERSIONS[3],
    b"?OTRv" + b" 2" * 30_000,
    b"?OTRv",
    b"?OTR",
)

#: More such texts, which some clients can't receive unchanged: empty ones, and ones with NUL.
BARELY = (b"", b"\0", b"?OTR\0v23?", b"?\0OTRv23?", b"\0?OTR", b"?OTRv\0?", b"?OTRv" + b"\0" * 60_000)


@scenario(requirements=("DATA-TEXT-1", "!DATA-TEXT-1", "DATA-RECV-2", "!TLV-FORM-7"))
def text_in_a_data_message_is_text(context: Context) -> None:
    """In a Data Message, a query, a tag, a fragment, an error or an encoded message is plain text."""
    target, insider = context.encrypted()
    for text in (*QUERIES, *WITH_QUERIES, *MARKS):
        reply = target.assert_receives_text(insider, text, check_id="data.text-changed")
        quiet = set(reply.kinds) <= {Kind.DATA} and len(reply.events) - len(reply.raw) == 1
        check("data.text-taken-for-protocol", quiet, expected="the text, at most a heartbeat", got=reply, case=text)
    target.assert_session_alive(insider, "data.text-taken-for-protocol")


@scenario(requirements=("STATE-ENCRYPTED-1", "!STATE-ENCRYPTED-1", "USER-SEND-6", "!STATE-SECRECY-1"))
def typed_text_is_encrypted(context: Context) -> None:
    """In ENCRYPTED, each typed text goes out in one Data Message, whole and unchanged, even if it looks like OTR.

    Only a query may be taken as the wish to start OTR; a query then goes out instead.
    """
    target, insider = context.encrypted()
    for text in (*MARKS, *QUERIES, *WITH_QUERIES):
        with context.where_possible():
            reply = target.user("send", text=text)
            if text in QUERIES and reply.kinds == [Kind.QUERY]:
                continue
            (message,) = reply.assert_sent("text.lookalike-not-encrypted", Kind.DATA, case=text)
            found = target.read(insider, message).text
            check("text.lookalike-not-encrypted", found == text, expected=text, got=found, case=text)
    target.assert_session_alive(insider)


@scenario(requirements=("STATE-PLAINTEXT-2", "!STATE-PLAINTEXT-2", "USER-SEND-2", "!USER-SEND-2"))
def typed_text_is_sent_as_it_is(context: Context) -> None:
    """In PLAINTEXT, each text goes out as typed, even if it looks like OTR; a query may replace a text that contains
    one.

    A handshake that is under way can still be completed.
    """
    target = context.target_session()
    begun = _begun(target)
    for text in MARKS:
        with context.where_possible():
            target.assert_sent_in_clear(text, "text.lookalike-changed")
    _completes(target, begun)
    target = context.target_session()
    for text in (*QUERIES, *WITH_QUERIES):
        with context.where_possible():
            reply = target.user("send", text=text)
            right = reply.raw == [text] or reply.kinds == [Kind.QUERY]
            check("text.lookalike-changed", right, expected=text, got=reply.raw, case=text)


@scenario(requirements=("STATE-FINISHED-1", "!STATE-FINISHED-1", "USER-SEND-10", "!USER-SEND-10"))
def typed_text_is_kept_back(context: Context) -> None:
    """In FINISHED, nothing that the user types goes out, even if it looks like OTR; only a query to start OTR may.

    The state stays FINISHED until the user ends the conversation.
    """
    target, insider = context.encrypted()
    target.end_by_peer(insider)
    for text in MARKS:
        with context.where_possible():
            target.assert_not_sent(text)
    for text in (*QUERIES, *WITH_QUERIES):
        with context.where_possible():
            reply = target.user("send", text=text)
            kept = not reply.raw or (reply.kinds == [Kind.QUERY] and (text in QUERIES or text not in reply.raw))
            check("text.sent-after-end", kept, expected="nothing goes out", got=reply, case=text)
    target.user("end").one(UserEndedSession)
    target.assert_sent_in_clear(b"in PLAINTEXT")


@scenario(needs=("policy",), requirements=("POLICY-REQUIRE-1", "!POLICY-REQUIRE-1", "USER-SEND-1", "!USER-SEND-1"))
def typed_text_is_replaced_by_a_query(context: Context) -> None:
    """With REQUIRE_ENCRYPTION, a query replaces each text typed in PLAINTEXT, even one that looks like OTR."""
    target = context.target_session(policy=ALLOW[context.version] | Policy.REQUIRE_ENCRYPTION)
    for text in MARKS:
        reply = target.user("send", text=text)
        reply.assert_sent("user.query-not-sent-for-text", Kind.QUERY, case=text)
        replaced = len(text) < 4 or not any(text in raw for raw in reply.raw)
        check("policy.text-sent-in-clear", replaced or text == b"?OTR", got=reply.raw, case=text)


def _unmoved(target: TargetSession, reply: Reply, text: bytes, state: str) -> None:
    """Demand that a message in the clear is not answered, and treated as text at most."""
    quiet = not (reply.accepted or reply.raw or reply.of(ErrorMessageReceived))
    case = f"{shown(text)} in {state.upper()}"
    check("text.lookalike-acted-on", quiet, expected="no answer, and at most text", got=reply, case=case)


@scenario(
    requirements=("QUERY-PARSE-13", "!QUERY-PARSE-13", "STATE-CLEAR-1", "STATE-CLEAR-4", "TAG-PARSE-2", "!TAG-PARSE-2")
)
def formless_text_is_text(context: Context) -> None:
    """In every message state, a truncated or misspelt mark is plain text: it is shown, and not acted on.

    It affects neither a session nor, in PLAINTEXT, a handshake that is under way.
    """
    for state, target, insider in context.each_state():
        with context.case(state):
            begun = _begun(target) if state == "plaintext" else None
            for text in FORMLESS:
                reply = target.receive(text)
                _unmoved(target, reply, text, state)
                case = f"{shown(text)} in {state.upper()}"
                reply.assert_shown("text.lookalike-not-shown", text, secure=False, case=case)
            _as_before(target, state, insider, begun)


@scenario(requirements=("!QUERY-PARSE-13", "!STATE-CLEAR-4", "ROBUST-INPUT-3", "!ROBUST-INPUT-2"))
def text_with_nul_or_without_anything_is_text(context: Context) -> None:
    """In every message state, an empty message or one with NUL in it is not acted on and changes nothing."""
    for state, target, insider in context.each_state():
        with context.case(state):
            begun = _begun(target) if state == "plaintext" else None
            for text in BARELY:
                reply = target.receive(text)
                _unmoved(target, reply, text, state)
                told = reply.of(TextReceived)
                once = len(told) <= 1
                check("text.lookalike-acted-on", once, expected="one text at most", got=told, case=text)
            _as_before(target, state, insider, begun)


#: A handshake under way: the insider, and the D-H Key Message with which the target answered its commit.
_Begun = tuple[Insider, Message]


def _begun(target: TargetSession) -> _Begun:
    """The target's user asks for a session, and one of the correspondent's clients sends a commit."""
    insider = target.insider(seed=b"again")
    return insider, dh_key_for(target, insider)


def _completes(target: TargetSession, begun: _Begun) -> None:
    """Demand that the handshake under way completes."""
    insider, dh_key = begun
    target.receive(insider.reveal_signature(build(dh_key))).one(SessionEstablished, "text.lookalike-acted-on")
    target.assert_session_alive(insider)


def _as_before(target: TargetSession, state: str, insider: Insider, begun: _Begun | None) -> None:
    """Demand that the session, if there is one, still works, and that the handshake under way completes."""
    if state == "encrypted":
        target.assert_session_alive(insider, "text.lookalike-acted-on")
    if state == "finished":
        target.assert_not_sent(b"still finished")
    if begun is not None:
        _completes(target, begun)


@scenario(
    requirements=("QUERY-PARSE-10", "QUERY-FORM-8", "QUERY-ANSWER-7", "QUERY-SHOW-1", "ERROR-FORM-1", "ERROR-SHOW-1")
)
def marks_within_text_count_in_every_state(context: Context) -> None:
    """In every message state, a query or an error is recognised within a text, however long the text is."""
    query = b"?OTRv%d?" % context.version
    long = b"so long " * 5000
    for state, target, insider in context.each_state():
        with context.case(state):
            for text in (b"it says ?OTR Error: no", long + b"?OTR Error:" + long):
                case = f"{shown(text)} in {state.upper()}"
                reply = target.receive(text)
                told = bool(reply.of(ErrorMessageReceived) or reply.of(TextReceived))
                check("error.not-shown", told, expected="the error is shown", got=reply, case=case)
                reply.assert_sent("error.answered-without-flag", case=case)
            if state == "encrypted":
                target.assert_session_alive(insider, "error.state-changed")
            for text in (long + query, query + long, b"Alice asks:\n" + query + b"\nPlease install OTR."):
                case = f"{shown(text)} in {state.upper()}"
                target.tick(LATER)
                reply = target.receive(text)
                reply.assert_sent("query.not-found-in-text", Kind.DH_COMMIT, case=case)
