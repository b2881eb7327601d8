"""Query Messages: how they are parsed, what they start, and what the target's own queries say.

[OTR Query Messages, Requesting an OTR conversation, Receiving a Query Message]
"""

from __future__ import annotations

import hashlib

from otterproof.harness import wire
from otterproof.harness.testkit.context import ALLOW, Context, TargetSession, check, check_equal
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.reply import Reply
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, Message, crypto
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import SessionEstablished
from otterproof.scenarios.conformance.handshake_play import reveal_to_dh_key

#: Queries, each with the known versions that it offers.
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


def commits(reply: Reply, check_id: str, version: int, case: object) -> Message:
    """Demand that a D-H Commit of a version, and nothing else, answers a message. case: the message."""
    (commit,) = reply.assert_sent(check_id, Kind.DH_COMMIT, case=case)
    expected, got = f"a D-H Commit of version {version}", f"one of version {commit.version}"
    check(check_id, commit.version == version, expected=expected, got=got, case=case)
    return commit


def _assert_read(context: Context, check_id: str, queries: tuple[tuple[bytes, set[int]], ...]) -> None:
    """Demand that each query is answered if it offers this run's version, the only one allowed, and ignored if not."""
    target = context.target_session(policy=ALLOW[context.version])
    for query, offered in queries:
        reply = target.receive(query)
        if context.version in offered:
            commits(reply, check_id, context.version, query)
            reply.assert_shown("query.shown-as-text", case=query)
        else:
            reply.assert_ignored(check_id, query)


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
    """A query offers the versions whose bytes it lists, in any order and with repetitions, and no others."""
    _assert_read(context, "query.version-list-misread", LISTED)


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
def version_1_query_starts_nothing(context: Context) -> None:
    """A "?" right after "?OTR" offers version 1, which starts nothing; a list of other versions may follow it."""
    _assert_read(context, "query.version-1-misread", WITH_VERSION_1)


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
    """Unknown version bytes are skipped: known versions next to them still count, and alone they offer nothing."""
    _assert_read(context, "query.unknown-version-misread", WITH_UNKNOWN_VERSIONS)


@scenario(requirements=("QUERY-PARSE-11", "!QUERY-PARSE-11", "!QUERY-FORM-8"))
def digits_after_a_query_are_ignored(context: Context) -> None:
    """A list of versions ends at its "?"; digits in the text after it offer nothing."""
    target = context.target_session()
    for query in (b"?OTRv4? Get one of 2 or 3 plugins", b"?OTR? Version 2 or v3? Your choice", b"?OTRv?23?"):
        target.receive(query).assert_sent("query.text-after-list-read", case=query)
    query = b"?OTRv%d? Get one of 2 or 3 plugins" % context.version
    commits(target.receive(query), "query.not-found-in-text", context.version, query)


@scenario(requirements=("QUERY-FORM-8", "QUERY-PARSE-10", "!QUERY-PARSE-10"))
def queries_are_found_within_text(context: Context) -> None:
    """A query is found between other words and within markup; the words alone start nothing."""
    target = context.target_session()
    for text in (b'<a title="?OTRv%d?">private?</a>', b"Alice asks:\n?OTRv%d?\nPlease install OTR.", b"x?OTRv%d?"):
        query = text % context.version
        commits(target.receive(query), "query.not-found-in-text", context.version, query)
        words = query.replace(b"?OTR", b"OTR")
        reply = target.receive(words)
        reply.assert_shown("query.text-taken-for-query", words, secure=False)
        reply.assert_sent("query.text-taken-for-query", case=words)


@scenario(requirements=("QUERY-PARSE-13", "!QUERY-PARSE-13", "!QUERY-FORM-1", "!QUERY-SHOW-1"))
def malformed_queries_are_shown_as_text(context: Context) -> None:
    """Text that contains "?OTR" but no OTR message is shown as plain text; a query after it is still found."""
    target = context.target_session()
    for text in (b"?OTR", b"?OTR v2?", b"?OTRv 2 or v 3?", b"What is ?OTRv - 23? I ask.", b"?OTR2?", b"?otrv23?"):
        reply = target.receive(text)
        reply.assert_sent("query.text-taken-for-query", case=text)
        reply.assert_shown("query.text-taken-for-query", text, secure=False)
    query = b"?OTR or ?OTRv%d?" % context.version
    commits(target.receive(query), "query.not-found-in-text", context.version, query)


@scenario(requirements=("!QUERY-FORM-3",))
def unterminated_query_is_not_a_query(context: Context) -> None:
    """A list of versions without its closing "?" is not a query; the same list with it is."""
    target = context.target_session()
    for text in (b"?OTRv%d" % context.version, b"?OTRv23 please"):
        target.receive(text).assert_sent("query.unclosed-list-read", case=text)
    target.query().message(Kind.DH_COMMIT)


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
def own_query_offers_allowed_versions(context: Context) -> None:
    """When the user asks for OTR, a query for the allowed versions goes out, each listed once.

    The target then leaves it to the peer to begin the handshake.
    """
    spoken = {version for version, flag in ALLOW.items() if flag in context.all_versions}
    for policy, allowed in ((ALLOW[context.version], {context.version}), (context.all_versions, spoken)):
        with context.case(policy):
            target = context.target_session(policy=policy)
            (query,) = target.user("start").assert_sent("user.query-not-sent", Kind.QUERY)
            offered = wire.offered_versions(query)
            expected, got = f"versions {shown(sorted(allowed))}", f"versions {shown(sorted(offered))}"
            check("query.wrong-versions-offered", offered == allowed, expected=expected, got=got)
            identifiers = query.data("versions").partition(b"v")[2].rstrip(b"?")
            check("query.version-listed-twice", len(set(identifiers)) == len(identifiers), got=identifiers)
            target.receive(target.insider().commit()).assert_sent("query.commit-not-answered", Kind.DH_KEY)


@scenario(requirements=("USER-START-2", "QUERY-PURPOSE-1"))
def own_query_is_sent_unencrypted(context: Context) -> None:
    """A query goes out unencrypted in every message state, and does not affect a session."""
    for state, target, insider in context.each_state():
        with context.case(state):
            reply = target.user("start")
            reply.assert_sent("user.query-not-sent", Kind.QUERY, case=state.upper())
            if state == "encrypted":
                target.assert_session_alive(insider, "user.query-disturbs-session")


@scenario(versions=(3,), needs=("lockstep",), requirements=("QUERY-PARSE-1",))
def our_engines_list_versions_in_rising_order(context: Context) -> None:
    """The order of versions in a query has no meaning; this project's engines list lower versions first."""
    reply = context.target_session(policy=context.all_versions).user("start")
    (query,) = reply.assert_sent("user.query-not-sent", Kind.QUERY)
    raw = wire.build(query)
    check_equal("query.versions-not-ascending", raw, b"?OTRv23?")


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
    """Version 3 is chosen if both sides allow it, wherever it is listed; otherwise version 2, if that is allowed."""
    wrong, uncalled = "query.wrong-version-chosen", "query.answered-without-common-version"
    both = context.target_session(policy=context.all_versions)
    for query in (b"?OTRv23?", b"?OTRv32?", b"?OTR?v42x3?", b"?OTRv3?"):
        commits(both.receive(query), wrong, 3, query)
    for query in (b"?OTRv2?", b"?OTR?v24?"):
        commits(both.receive(query), wrong, 2, query)
    only_2 = context.target_session(policy=ALLOW[2])
    commits(only_2.receive(b"?OTRv23?"), wrong, 2, b"?OTRv23?")
    only_2.receive(b"?OTRv3?").assert_ignored(uncalled, "a query for version 3, when only version 2 is allowed")
    only_3 = context.target_session(policy=ALLOW[3])
    only_3.receive(b"?OTRv2?").assert_ignored(uncalled, "a query for version 2, when only version 3 is allowed")
    commits(only_3.receive(b"?OTRv23?"), wrong, 3, b"?OTRv23?")


@scenario(requirements=("!QUERY-ANSWER-1", "QUERY-ANSWER-6", "!QUERY-ANSWER-6"))
def without_a_common_version_nothing_happens(context: Context) -> None:
    """A query that offers no allowed version is not answered, and does not affect handshakes and sessions."""
    other = b"?OTRv%d?" % (5 - context.version)
    target = context.target_session(policy=ALLOW[context.version])
    insider = target.insider()
    answered, changed = "query.answered-without-common-version", "query.unanswered-query-changes-state"
    case = "a query for a version that is not allowed, in %s"
    target.receive(other).assert_ignored(answered, case % "NONE")
    target.receive(insider.dh_key()).assert_ignored("handshake.stray-dh-key-not-ignored", "in NONE")
    commit = target.query().message(Kind.DH_COMMIT)
    target.receive(other).assert_ignored(answered, case % "AWAITING_DHKEY")
    reveal = target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE, changed, case="AWAITING_DHKEY")
    target.receive(other).assert_ignored(answered, case % "AWAITING_SIG")
    gx = insider.decommit(wire.build(commit), wire.build(reveal))
    target.receive(insider.signature(gx)).one(SessionEstablished, changed, case="AWAITING_SIG")
    target.receive(other).assert_ignored(answered, case % "ENCRYPTED")
    target.assert_session_alive(insider, changed)


@scenario(requirements=("QUERY-PURPOSE-2", "QUERY-ANSWER-5", "!QUERY-ANSWER-5"))
def the_answer_awaits_a_dh_key(context: Context) -> None:
    """A target that receives a query sends a commit and then waits for a D-H Key; it ignores an earlier D-H Key."""

    def begun() -> tuple[TargetSession, Insider]:
        target = context.target_session()
        insider = target.insider()
        target.receive(insider.dh_key()).assert_ignored("handshake.stray-dh-key-not-ignored", "in NONE")
        commits(target.query(), "query.not-answered", context.version, "a query")
        return target, insider

    reveal_to_dh_key(begun, "query.dh-key-not-awaited")


@scenario(requirements=("QUERY-ANSWER-7", "!QUERY-ANSWER-7"))
def queries_are_answered_in_every_message_state(context: Context) -> None:
    """A query is answered in every message state; a session goes on until the new handshake replaces it."""
    for state, target, insider in context.each_state():
        with context.case(state):
            commit = commits(target.query(), "query.not-answered", context.version, f"a query in {state.upper()}")
            if state == "encrypted":
                target.assert_session_alive(insider, "query.disturbs-session")
            again = target.insider(seed=b"again")
            reveal = target.receive(again.dh_key()).message(Kind.REVEAL_SIGNATURE)
            if state == "encrypted":
                target.assert_receives_text(insider, b"until the last moment", check_id="query.disturbs-session")
            gx = again.decommit(wire.build(commit), wire.build(reveal))
            target.receive(again.signature(gx)).one(SessionEstablished)
            if state == "encrypted":
                target.receive(insider.data(b"too late")).assert_rejected(
                    "state.replaced-session-read", "a new message"
                )
            target.assert_session_alive(again)


@scenario(requirements=("QUERY-ANSWER-8", "!QUERY-ANSWER-8"))
def queries_are_answered_in_every_authentication_state(context: Context) -> None:
    """Whatever handshake is under way, a query is answered with a fresh commit, and the newest handshake completes.

    In version 2, where clients have no instance tags, the earlier handshakes do not complete.
    """
    target = context.target_session()
    older, insider = target.insider(seed=b"older"), target.insider()
    target.receive(older.commit()).assert_sent("message.dh-key-not-sent", Kind.DH_KEY)
    unanswered = "query.not-answered"
    first = commits(target.query(), unanswered, context.version, "a query in AWAITING_REVEALSIG")
    second = commits(target.query(), unanswered, context.version, "a query in AWAITING_DHKEY")
    stale = target.receive(older.dh_key()).message(Kind.REVEAL_SIGNATURE)
    third = commits(target.query(), unanswered, context.version, "a query in AWAITING_SIG")
    hashes = [commit.data("hashed_gx") for commit in (first, second, third)]
    check("query.commit-repeated", len({*hashes}) == 3, expected="three different hashes of g^x", got=hashes)
    late = older.signature(older.decommit(wire.build(second), wire.build(stale)))
    if context.version == 2:
        target.receive(late).assert_rejected(
            "query.older-handshake-completes", "a Signature Message for an older commit"
        )
    newest = "query.newest-commit-not-used"
    reveal = target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE, newest)
    signature = insider.signature(insider.decommit(wire.build(third), wire.build(reveal)))
    target.receive(signature).one(SessionEstablished, newest)
    target.assert_session_alive(insider)


@scenario(requirements=("QUERY-FLOOD-1", "!QUERY-FLOOD-1", "QUERY-FLOOD-2", "!QUERY-FLOOD-2"))
def many_queries_leave_one_handshake(context: Context) -> None:
    """Each of many queries is answered with one commit and never with a query; only the last commit can be opened."""
    target = context.target_session()
    sent = [commits(target.query(), "query.not-answered", context.version, "one of many queries") for _ in range(12)]
    target.receive(b"?OTRv4?").assert_ignored("query.answered-without-common-version", "a query for an unknown version")
    sizes = [len(wire.build(commit)) for commit in sent]
    check("query.commits-grow", len({*sizes}) <= 2, expected="two sizes of commits at most", got=sizes)
    reply = target.receive(target.insider().dh_key())
    (reveal,) = reply.assert_sent("query.newest-commit-not-used", Kind.REVEAL_SIGNATURE)
    gxmpi = [crypto.committed_gxmpi(commit, reveal.data("revealed_key")) for commit in sent]
    fitting = [
        hashlib.sha256(opened).digest() == commit.data("hashed_gx") for commit, opened in zip(sent, gxmpi, strict=True)
    ]
    opened_ones = [f"number {number}" for number, fits in enumerate(fitting, start=1) if fits]
    newest = fitting == [False] * 11 + [True]
    expected = "the revealed key opens commit number 12 alone"
    check("query.newest-commit-not-used", newest, expected=expected, got=opened_ones or "no commit")
