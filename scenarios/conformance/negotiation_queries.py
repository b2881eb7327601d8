"""Query messages: what is read from one, what it starts, and what the target's own one says.

[OTR Query Messages, Requesting an OTR conversation, Receiving a Query Message]
"""

from __future__ import annotations

import hashlib

from harness import wire
from harness.course import Reply
from harness.scenario import scenario
from harness.stage import ALLOW, Stage, check
from harness.wire import Kind, Message, crypto
from implementations.contract import Established

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
    (commit,) = reply.sends(Kind.DH_COMMIT)
    check(commit.version == version, f"{to!r} is answered in version {version}, and was in version {commit.version}")
    return commit


def _read(stage: Stage, queries: tuple[tuple[bytes, set[int]], ...]) -> None:
    """Each query is answered in this run's version, the only one allowed, if it offers that, and else with nothing."""
    subject = stage.subject()
    for query, offered in queries:
        reply = subject.give(query)
        if stage.version in offered:
            commits(reply, stage.version, query)
            reply.shows()
        else:
            reply.ignored(f"the query {query!r}, which offers no allowed version,")


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
def queries_offer_the_versions_they_list(stage: Stage) -> None:
    """A query offers the versions whose bytes it lists, in any order and however often, and no others."""
    _read(stage, LISTED)


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
def version_1_is_told_from_later_versions(stage: Stage) -> None:
    """A question mark right after the mark offers version 1, which starts nothing; a list of versions may follow it."""
    _read(stage, WITH_VERSION_1)


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
def unknown_versions_are_skipped(stage: Stage) -> None:
    """Version bytes without a meaning take nothing away from known ones, and offer nothing by themselves."""
    _read(stage, WITH_UNKNOWN_VERSIONS)


@scenario(requirements=("QUERY-PARSE-11", "!QUERY-PARSE-11", "!QUERY-FORM-8"))
def digits_after_the_query_offer_nothing(stage: Stage) -> None:
    """The list of versions ends with its question mark; what people are told after it is no part of it."""
    subject = stage.subject()
    for query in (b"?OTRv4? Get one of 2 or 3 plugins", b"?OTR? Version 2 or v3? Your choice", b"?OTRv?23?"):
        sent = subject.give(query).raw
        check(not sent, f"{query!r} offers no version that is known, and was answered with {sent}")
    query = b"?OTRv%d? Get one of 2 or 3 plugins" % stage.version
    commits(subject.give(query), stage.version, query)


@scenario(requirements=("QUERY-FORM-8", "QUERY-PARSE-10", "!QUERY-PARSE-10"))
def queries_are_found_within_text(stage: Stage) -> None:
    """A query counts with words before and after it and within markup; words alone start nothing."""
    subject = stage.subject()
    for text in (b'<a title="?OTRv%d?">private?</a>', b"Alice asks:\n?OTRv%d?\nPlease install OTR.", b"x?OTRv%d?"):
        query = text % stage.version
        commits(subject.give(query), stage.version, query)
        words = query.replace(b"?OTR", b"OTR")
        reply = subject.give(words)
        reply.shows(words, secure=False)
        reply.sends()


@scenario(requirements=("QUERY-PARSE-13", "!QUERY-PARSE-13", "!QUERY-FORM-1", "!QUERY-SHOW-1"))
def text_that_is_no_query_is_shown(stage: Stage) -> None:
    """Text that has the mark in it, but none of the forms of OTR, is plain text; a query after it is still seen."""
    subject = stage.subject()
    for text in (b"?OTR", b"?OTR v2?", b"?OTRv 2 or v 3?", b"What is ?OTRv - 23? I ask.", b"?OTR2?", b"?otrv23?"):
        reply = subject.give(text)
        reply.sends()
        reply.shows(text, secure=False)
    query = b"?OTR or ?OTRv%d?" % stage.version
    commits(subject.give(query), stage.version, query)


@scenario(requirements=("!QUERY-FORM-3",))
def a_query_ends_with_its_question_mark(stage: Stage) -> None:
    """A list of versions that lacks its closing mark is no query."""
    subject = stage.subject()
    for text in (b"?OTRv%d" % stage.version, b"?OTRv23 please"):
        sent = subject.give(text).raw
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
def the_own_query_offers_what_is_allowed(stage: Stage) -> None:
    """The user's wish goes out as a query for the allowed versions, each once; the handshake is left to the peer."""
    spoken = {version for version, flag in ALLOW.items() if flag in stage.both}
    for policy, allowed in ((ALLOW[stage.version], {stage.version}), (stage.both, spoken)):
        subject = stage.subject(policy=policy)
        (query,) = subject.user("start").sends(Kind.QUERY)
        offered = wire.offered_versions(query)
        check(offered == allowed, f"the query offers the versions {allowed}, and offers {set(offered)}")
        identifiers = query.data("versions").partition(b"v")[2].rstrip(b"?")
        check(len(set(identifiers)) == len(identifiers), f"no version is listed twice in {identifiers!r}")
        subject.give(subject.insider().commit()).sends(Kind.DH_KEY)


@scenario(requirements=("USER-START-2", "QUERY-PURPOSE-1"))
def the_own_query_goes_out_in_the_clear(stage: Stage) -> None:
    """A query is sent unencrypted in every message state, a session going on as before."""
    for state, subject, insider in stage.each_state():
        reply = subject.user("start")
        check(reply.kinds == [Kind.QUERY], f"when {state} a query goes out, and there was {reply}")
        if state == "encrypted":
            subject.still_talks(insider)


@scenario(versions=(3,), needs=("lockstep",), requirements=("QUERY-PARSE-1",))
def our_engines_list_versions_in_rising_order(stage: Stage) -> None:
    """The order of versions has no meaning; this project's engines agree to list lower ones first."""
    (query,) = stage.subject(policy=stage.both).user("start").sends(Kind.QUERY)
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
def the_highest_common_version_is_chosen(stage: Stage) -> None:
    """Version 3 is chosen where both sides have it, wherever it is listed; else version 2, if that is allowed."""
    both = stage.subject(policy=stage.both)
    for query in (b"?OTRv23?", b"?OTRv32?", b"?OTR?v42x3?", b"?OTRv3?"):
        commits(both.give(query), 3, query)
    for query in (b"?OTRv2?", b"?OTR?v24?"):
        commits(both.give(query), 2, query)
    only_2 = stage.subject(policy=ALLOW[2])
    commits(only_2.give(b"?OTRv23?"), 2, b"?OTRv23?")
    only_2.give(b"?OTRv3?").ignored("a query for version 3, which is not allowed,")
    only_3 = stage.subject(policy=ALLOW[3])
    only_3.give(b"?OTRv2?").ignored("a query for version 2, which is not allowed,")
    commits(only_3.give(b"?OTRv23?"), 3, b"?OTRv23?")


@scenario(requirements=("!QUERY-ANSWER-1", "QUERY-ANSWER-6", "!QUERY-ANSWER-6"))
def without_a_common_version_nothing_happens(stage: Stage) -> None:
    """A query for versions that are not allowed is not answered, and leaves handshakes and sessions as they are."""
    other = b"?OTRv%d?" % (5 - stage.version)
    subject = stage.subject()
    insider = subject.insider()
    subject.give(other).ignored("a query for a version that is not allowed")
    subject.give(insider.dh_key()).ignored("a D-H Key that answers nothing")
    commit = subject.query().message(Kind.DH_COMMIT)
    subject.give(other).ignored("a query for a version that is not allowed")
    reveal = subject.give(insider.dh_key()).message(Kind.REVEAL_SIGNATURE)
    subject.give(other).ignored("a query for a version that is not allowed")
    gx = insider.opened(wire.build(commit), wire.build(reveal))
    subject.give(insider.signature(gx)).one(Established)
    subject.give(other).ignored("a query for a version that is not allowed")
    subject.still_talks(insider)


@scenario(requirements=("QUERY-PURPOSE-2", "QUERY-ANSWER-5", "!QUERY-ANSWER-5"))
def the_answer_awaits_a_dh_key(stage: Stage) -> None:
    """Who gets a query commits and then waits for a D-H Key, which counts for nothing before."""
    subject = stage.subject()
    insider = subject.insider()
    subject.give(insider.dh_key()).ignored("a D-H Key that answers nothing")
    commits(subject.query(), stage.version, b"a query")
    subject.give(insider.dh_key()).sends(Kind.REVEAL_SIGNATURE)


@scenario(requirements=("QUERY-ANSWER-7", "!QUERY-ANSWER-7"))
def queries_are_answered_in_every_message_state(stage: Stage) -> None:
    """A session goes on after a query until the new handshake completes, which then replaces it."""
    for state, subject, insider in stage.each_state():
        commit = commits(subject.query(), stage.version, f"a query when {state}".encode())
        if state == "encrypted":
            subject.still_talks(insider)
        again = subject.insider(seed=b"again")
        reveal = subject.give(again.dh_key()).message(Kind.REVEAL_SIGNATURE)
        if state == "encrypted":
            subject.hears(insider, b"until the last moment")
        gx = again.opened(wire.build(commit), wire.build(reveal))
        subject.give(again.signature(gx)).one(Established)
        if state == "encrypted":
            subject.give(insider.data(b"too late")).accepts_nothing("a message of the session that was replaced")
        subject.still_talks(again)


@scenario(requirements=("QUERY-ANSWER-8", "!QUERY-ANSWER-8"))
def queries_are_answered_in_every_authentication_state(stage: Stage) -> None:
    """Whatever handshake is under way, a query leads to a fresh commit, and the newest handshake completes.

    In version 2, where nobody is told apart, those before it do not.
    """
    subject = stage.subject()
    older, insider = subject.insider(seed=b"older"), subject.insider()
    subject.give(older.commit()).sends(Kind.DH_KEY)
    first = commits(subject.query(), stage.version, b"a query in AWAITING_REVEALSIG")
    second = commits(subject.query(), stage.version, b"a query in AWAITING_DHKEY")
    stale = subject.give(older.dh_key()).message(Kind.REVEAL_SIGNATURE)
    third = commits(subject.query(), stage.version, b"a query in AWAITING_SIG")
    hashes = {commit.data("hashed_gx") for commit in (first, second, third)}
    check(len(hashes) == 3, "each query is answered with a commit of its own")
    late = older.signature(older.opened(wire.build(second), wire.build(stale)))
    if stage.version == 2:
        subject.give(late).accepts_nothing("the signature of a handshake that was replaced")
    reveal = subject.give(insider.dh_key()).message(Kind.REVEAL_SIGNATURE)
    subject.give(insider.signature(insider.opened(wire.build(third), wire.build(reveal)))).one(Established)
    subject.still_talks(insider)


@scenario(requirements=("QUERY-FLOOD-1", "!QUERY-FLOOD-1", "QUERY-FLOOD-2", "!QUERY-FLOOD-2"))
def many_queries_leave_one_handshake(stage: Stage) -> None:
    """Each of many queries gets one commit and never a query; only the last commit can be followed up."""
    subject = stage.subject()
    sent = [commits(subject.query(), stage.version, b"one of many queries") for _ in range(12)]
    subject.give(b"?OTRv4?").ignored("a query for an unknown version")
    check(len({len(wire.build(commit)) for commit in sent}) <= 2, "commits do not grow with the number of queries")
    (reveal,) = subject.give(subject.insider().dh_key()).sends(Kind.REVEAL_SIGNATURE)
    gxmpi = [crypto.committed_gxmpi(commit, reveal.data("revealed_key")) for commit in sent]
    fitting = [
        hashlib.sha256(opened).digest() == commit.data("hashed_gx") for commit, opened in zip(sent, gxmpi, strict=True)
    ]
    check(fitting == [False] * 11 + [True], "the key that is revealed opens the last commit and no other")
