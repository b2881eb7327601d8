"""Query messages: what is read from one, what it starts, and what the target's own one says.

[OTR Query Messages, Requesting an OTR conversation, Receiving a Query Message]
"""

from __future__ import annotations

import hashlib

from otterproof.harness import wire
from otterproof.harness.testkit.context import ALLOW, Context, check
from otterproof.harness.testkit.reply import Reply
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, Message, crypto
from otterproof.implementations.contract import Established

#: Queries with the known versions that each of them offers.
LISTED = (
    (b"?OTRv2?", {2}),
    (b"?OTRv3?", {3}),
    (b"?OTRv23?", {2, 3}),
    (b"?OTRv32?", {2, 3}),
    (b"?OTRv22?", {2}),
    (b"?OTRv33?", {3}),
    (b"?OTRv323?", {2, 3}),
)
WITH_VERSION_1 = (
    (b"?OTR?", set[int]()),
    (b"?OTR?v?", set[int]()),
    (b"?OTR?v2?", {2}),
    (b"?OTR?v3?", {3}),
    (b"?OTR?v23?", {2, 3}),
)
WITH_UNKNOWN_VERSIONS = (
    (b"?OTRv24x?", {2}),
    (b"?OTRv4x2?", {2}),
    (b"?OTRvx3y?", {3}),
    (b"?OTR?v24x?", {2}),
    (b"?OTR?v4x3?", {3}),
    (b"?OTRv4x?", set[int]()),
    (b"?OTR?v4x?", set[int]()),
    (b"?OTRv?", set[int]()),
)


def commits(reply: Reply, version: int, to: bytes) -> Message:
    """Demand that a D-H Commit of a version, and nothing else, answers a message."""
    (commit,) = reply.assert_sent(Kind.DH_COMMIT)
    check(commit.version == version, f"{to!r} is answered in version {version}, and was in version {commit.version}")
    return commit


def _read(context: Context, queries: tuple[tuple[bytes, set[int]], ...]) -> None:
    """Each query is answered in this run's version, the only one allowed, if it offers that, and else with nothing."""
    target = context.target_session()
    for query, offered in queries:
        reply = target.receive(query)
        if context.version in offered:
            commits(reply, context.version, query)
            reply.assert_shown()
        else:
            reply.assert_ignored(f"the query {query!r}, which offers no allowed version,")


@scenario(
    requirements=(
        "QUERY-FORM-3",
        "QUERY-FORM-4",
        "!QUERY-FORM-4",
        "QUERY-FORM-5",
        "!QUERY-FORM-5",
        "!QUERY-FORM-6",
        "QUERY-PARSE-1",
        "QUERY-PARSE-3",
        "!QUERY-PARSE-3",
        "QUERY-PARSE-4",
        "QUERY-PARSE-12",
        "!QUERY-PARSE-12",
        "QUERY-ANSWER-1",
        "QUERY-ANSWER-4",
        "!QUERY-ANSWER-4",
        "QUERY-SHOW-1",
    )
)
def queries_offer_the_versions_they_list(context: Context) -> None:
    """A query offers the versions whose bytes it lists, in any order and however often, and no others."""
    _read(context, LISTED)


@scenario(
    requirements=(
        "QUERY-PARSE-2",
        "!QUERY-PARSE-2",
        "QUERY-PARSE-5",
        "!QUERY-PARSE-5",
        "QUERY-PARSE-8",
        "!QUERY-PARSE-8",
    )
)
def version_1_is_told_from_later_versions(context: Context) -> None:
    """A question mark right after the mark offers version 1, which starts nothing; a list of versions may follow it."""
    _read(context, WITH_VERSION_1)


@scenario(
    requirements=(
        "QUERY-PARSE-6",
        "!QUERY-PARSE-6",
        "QUERY-PARSE-7",
        "!QUERY-PARSE-7",
        "QUERY-PARSE-9",
        "!QUERY-PARSE-9",
    )
)
def unknown_versions_are_skipped(context: Context) -> None:
    """Version bytes without a meaning take nothing away from known ones, and offer nothing by themselves."""
    _read(context, WITH_UNKNOWN_VERSIONS)


@scenario(requirements=("QUERY-PARSE-11", "!QUERY-PARSE-11", "!QUERY-FORM-8"))
def digits_after_the_query_offer_nothing(context: Context) -> None:
    """The list of versions ends with its question mark; what people are told after it is no part of it."""
    target = context.target_session()
    for query in (b"?OTRv4? Get one of 2 or 3 plugins", b"?OTR? Version 2 or v3? Your choice", b"?OTRv?23?"):
        sent = target.receive(query).raw
        check(not sent, f"{query!r} offers no version that is known, and was answered with {sent}")
    query = b"?OTRv%d? Get one of 2 or 3 plugins" % context.version
    commits(target.receive(query), context.version, query)


@scenario(requirements=("QUERY-FORM-8", "QUERY-PARSE-10", "!QUERY-PARSE-10"))
def queries_are_found_within_text(context: Context) -> None:
    """A query counts with words before and after it and within markup; words alone start nothing."""
    target = context.target_session()
    for text in (b'<a title="?OTRv%d?">private?</a>', b"Alice asks:\n?OTRv%d?\nPlease install OTR.", b"x?OTRv%d?"):
        query = text % context.version
        commits(target.receive(query), context.version, query)
        words = query.replace(b"?OTR", b"OTR")
        reply = target.receive(words)
        reply.assert_shown(words, secure=False)
        reply.assert_sent()


@scenario(requirements=("QUERY-PARSE-13", "!QUERY-PARSE-13", "!QUERY-FORM-1", "!QUERY-SHOW-1"))
def text_that_is_no_query_is_shown(context: Context) -> None:
    """Text that has the mark in it, but none of the forms of OTR, is plain text; a query after it is still seen."""
    target = context.target_session()
    for text in (b"?OTR", b"?OTR v2?", b"?OTRv 2 or v 3?", b"What is ?OTRv - 23? I ask.", b"?OTR2?", b"?otrv23?"):
        reply = target.receive(text)
        reply.assert_sent()
        reply.assert_shown(text, secure=False)
    query = b"?OTR or ?OTRv%d?" % context.version
    commits(target.receive(query), context.version, query)


@scenario(requirements=("!QUERY-FORM-3",))
def a_query_ends_with_its_question_mark(context: Context) -> None:
    """A list of versions that lacks its closing mark is no query."""
    target = context.target_session()
    for text in (b"?OTRv%d" % context.version, b"?OTRv23 please"):
        sent = target.receive(text).raw
        check(not sent, f"{text!r} is no query, and was answered with {sent}")


@scenario(
    requirements=(
        "QUERY-PURPOSE-1",
        "!QUERY-PURPOSE-1",
        "!QUERY-PURPOSE-2",
        "QUERY-FORM-1",
        "QUERY-FORM-6",
        "QUERY-FORM-7",
        "!QUERY-FORM-7",
    )
)
def the_own_query_offers_what_is_allowed(context: Context) -> None:
    """The user's wish goes out as a query for the allowed versions, each once; the handshake is left to the peer."""
    spoken = {version for version, flag in ALLOW.items() if flag in context.all_versions}
    for policy, allowed in ((ALLOW[context.version], {context.version}), (context.all_versions, spoken)):
        target = context.target_session(policy=policy)
        (query,) = target.user("start").assert_sent(Kind.QUERY)
        offered = wire.offered_versions(query)
        check(offered == allowed, f"the query offers the versions {allowed}, and offers {set(offered)}")
        identifiers = query.data("versions").partition(b"v")[2].rstrip(b"?")
        check(len(set(identifiers)) == len(identifiers), f"no version is listed twice in {identifiers!r}")
        target.receive(target.insider().commit()).assert_sent(Kind.DH_KEY)


@scenario(requirements=("USER-START-2", "QUERY-PURPOSE-1"))
def the_own_query_goes_out_in_the_clear(context: Context) -> None:
    """A query is sent unencrypted in every message state, a session going on as before."""
    for state, target, insider in context.each_state():
        reply = target.user("start")
        check(reply.kinds == [Kind.QUERY], f"when {state} a query goes out, and there was {reply}")
        if state == "encrypted":
            target.assert_session_alive(insider)


@scenario(versions=(3,), needs=("lockstep",), requirements=("QUERY-PARSE-1",))
def our_engines_list_versions_in_rising_order(context: Context) -> None:
    """The order of versions has no meaning; this project's engines agree to list lower ones first."""
    (query,) = context.target_session(policy=context.all_versions).user("start").assert_sent(Kind.QUERY)
    check(wire.build(query) == b"?OTRv23?", f"the query is ?OTRv23?, and is {wire.build(query)!r}")


@scenario(
    versions=(3,),
    needs=("v2",),
    requirements=(
        "!QUERY-PARSE-1",
        "!QUERY-PARSE-4",
        "!QUERY-PARSE-3",
        "QUERY-ANSWER-2",
        "!QUERY-ANSWER-2",
        "QUERY-ANSWER-3",
        "!QUERY-ANSWER-3",
    ),
)
def the_highest_common_version_is_chosen(context: Context) -> None:
    """Version 3 is chosen where both sides have it, wherever it is listed; else version 2, if that is allowed."""
    both = context.target_session(policy=context.all_versions)
    for query in (b"?OTRv23?", b"?OTRv32?", b"?OTR?v42x3?", b"?OTRv3?"):
        commits(both.receive(query), 3, query)
    for query in (b"?OTRv2?", b"?OTR?v24?"):
        commits(both.receive(query), 2, query)
    only_2 = context.target_session(policy=ALLOW[2])
    commits(only_2.receive(b"?OTRv23?"), 2, b"?OTRv23?")
    only_2.receive(b"?OTRv3?").assert_ignored("a query for version 3, which is not allowed,")
    only_3 = context.target_session(policy=ALLOW[3])
    only_3.receive(b"?OTRv2?").assert_ignored("a query for version 2, which is not allowed,")
    commits(only_3.receive(b"?OTRv23?"), 3, b"?OTRv23?")


@scenario(requirements=("!QUERY-ANSWER-1", "QUERY-ANSWER-6", "!QUERY-ANSWER-6"))
def without_a_common_version_nothing_happens(context: Context) -> None:
    """A query for versions that are not allowed is not answered, and leaves handshakes and sessions as they are."""
    other = b"?OTRv%d?" % (5 - context.version)
    target = context.target_session()
    insider = target.insider()
    target.receive(other).assert_ignored("a query for a version that is not allowed")
    target.receive(insider.dh_key()).assert_ignored("a D-H Key that answers nothing")
    commit = target.query().message(Kind.DH_COMMIT)
    target.receive(other).assert_ignored("a query for a version that is not allowed")
    reveal = target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE)
    target.receive(other).assert_ignored("a query for a version that is not allowed")
    gx = insider.decommit(wire.build(commit), wire.build(reveal))
    target.receive(insider.signature(gx)).one(Established)
    target.receive(other).assert_ignored("a query for a version that is not allowed")
    target.assert_session_alive(insider)


@scenario(requirements=("QUERY-PURPOSE-2", "QUERY-ANSWER-5", "!QUERY-ANSWER-5"))
def the_answer_awaits_a_dh_key(context: Context) -> None:
    """Who gets a query commits and then waits for a D-H Key, which counts for nothing before."""
    target = context.target_session()
    insider = target.insider()
    target.receive(insider.dh_key()).assert_ignored("a D-H Key that answers nothing")
    commits(target.query(), context.version, b"a query")
    target.receive(insider.dh_key()).assert_sent(Kind.REVEAL_SIGNATURE)


@scenario(requirements=("QUERY-ANSWER-7", "!QUERY-ANSWER-7"))
def queries_are_answered_in_every_message_state(context: Context) -> None:
    """A session goes on after a query until the new handshake completes, which then replaces it."""
    for state, target, insider in context.each_state():
        commit = commits(target.query(), context.version, f"a query when {state}".encode())
        if state == "encrypted":
            target.assert_session_alive(insider)
        again = target.insider(seed=b"again")
        reveal = target.receive(again.dh_key()).message(Kind.REVEAL_SIGNATURE)
        if state == "encrypted":
            target.assert_receives_text(insider, b"until the last moment")
        gx = again.decommit(wire.build(commit), wire.build(reveal))
        target.receive(again.signature(gx)).one(Established)
        if state == "encrypted":
            target.receive(insider.data(b"too late")).assert_rejected("a message of the session that was replaced")
        target.assert_session_alive(again)


@scenario(requirements=("QUERY-ANSWER-8", "!QUERY-ANSWER-8"))
def queries_are_answered_in_every_authentication_state(context: Context) -> None:
    """Whatever handshake is under way, a query leads to a fresh commit, and the newest handshake completes.

    In version 2, where nobody is told apart, those before it do not.
    """
    target = context.target_session()
    older, insider = target.insider(seed=b"older"), target.insider()
    target.receive(older.commit()).assert_sent(Kind.DH_KEY)
    first = commits(target.query(), context.version, b"a query in AWAITING_REVEALSIG")
    second = commits(target.query(), context.version, b"a query in AWAITING_DHKEY")
    stale = target.receive(older.dh_key()).message(Kind.REVEAL_SIGNATURE)
    third = commits(target.query(), context.version, b"a query in AWAITING_SIG")
    hashes = {commit.data("hashed_gx") for commit in (first, second, third)}
    check(len(hashes) == 3, "each query is answered with a commit of its own")
    late = older.signature(older.decommit(wire.build(second), wire.build(stale)))
    if context.version == 2:
        target.receive(late).assert_rejected("the signature of a handshake that was replaced")
    reveal = target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE)
    target.receive(insider.signature(insider.decommit(wire.build(third), wire.build(reveal)))).one(Established)
    target.assert_session_alive(insider)


@scenario(requirements=("QUERY-FLOOD-1", "!QUERY-FLOOD-1", "QUERY-FLOOD-2", "!QUERY-FLOOD-2"))
def many_queries_leave_one_handshake(context: Context) -> None:
    """Each of many queries gets one commit and never a query; only the last commit can be followed up."""
    target = context.target_session()
    sent = [commits(target.query(), context.version, b"one of many queries") for _ in range(12)]
    target.receive(b"?OTRv4?").assert_ignored("a query for an unknown version")
    check(len({len(wire.build(commit)) for commit in sent}) <= 2, "commits do not grow with the number of queries")
    (reveal,) = target.receive(target.insider().dh_key()).assert_sent(Kind.REVEAL_SIGNATURE)
    gxmpi = [crypto.committed_gxmpi(commit, reveal.data("revealed_key")) for commit in sent]
    fitting = [
        hashlib.sha256(opened).digest() == commit.data("hashed_gx") for commit, opened in zip(sent, gxmpi, strict=True)
    ]
    check(fitting == [False] * 11 + [True], "the key that is revealed opens the last commit and no other")
