"""Query messages: every form, for each set of versions that a policy allows; queries received in each state; queries
sent. [OTR Query Messages]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from otterproof.harness.vectorgen.builder import FileBuilder, GroupBuilder, invalid, valid
from otterproof.harness.vectorgen.client_session import POLICIES, ended, policy_of
from otterproof.harness.vectorgen.play_builder import Act, does, gives
from otterproof.harness.wire import TAG_BASE
from otterproof.implementations.contract import Policy
from otterproof.implementations.jsonform import policy_to_json
from otterproof.vectors import Outcome


@dataclass(frozen=True, slots=True)
class Query:
    """A text, what it offers (None: not a query, so it is shown), what it shows, and the reading that decides it."""

    text: bytes
    offers: tuple[int, ...] | None
    shows: str
    comment: str
    reading: str = ""


_FORM = "QUERY-FORM-1 QUERY-FORM-3"
_UNKNOWN = "QUERY-PARSE-6"

_QUERIES: Mapping[str, Query] = {
    "2": Query(b"?OTRv2?", (2,), f"{_FORM} QUERY-FORM-4 QUERY-PARSE-3", "version 2"),
    "3": Query(b"?OTRv3?", (3,), f"{_FORM} QUERY-FORM-5", "version 3"),
    "23": Query(b"?OTRv23?", (2, 3), f"{_FORM} QUERY-PARSE-4", "versions 2 and 3"),
    "32": Query(b"?OTRv32?", (2, 3), "QUERY-PARSE-1", "the order has no meaning"),
    "1": Query(b"?OTR?", (), "QUERY-PARSE-2", "version 1 alone"),
    "1-2": Query(b"?OTR?v2?", (2,), "QUERY-PARSE-5", "versions 1 and 2"),
    "1-3": Query(b"?OTR?v3?", (3,), "QUERY-PARSE-5 QUERY-FORM-5", "versions 1 and 3"),
    "1-23": Query(b"?OTR?v23?", (2, 3), "QUERY-PARSE-5 QUERY-PARSE-4", "versions 1, 2 and 3"),
    "24x": Query(b"?OTRv24x?", (2,), _UNKNOWN, "2, and two that are not known"),
    "1-24x": Query(b"?OTR?v24x?", (2,), "QUERY-PARSE-7", "1, 2, and two that are not known"),
    "x2": Query(b"?OTRvx2?", (2,), _UNKNOWN, "the unknown one first"),
    "x3y2z": Query(b"?OTRvx3y2z?", (2, 3), _UNKNOWN, "unknown ones between"),
    "4": Query(b"?OTRv4?", (), _UNKNOWN, "only one that is not known"),
    "high-byte": Query(b"?OTRv\xff2?", (2,), _UNKNOWN, "a byte that is no ASCII"),
    "letters": Query(b"?OTRvABC?", (), _UNKNOWN, "only letters"),
    "long": Query(b"?OTRv" + b"4" * 200 + b"2?", (2,), _UNKNOWN, "200 unknown versions first"),
    "1-none": Query(b"?OTR?v?", (), "QUERY-PARSE-8", "version 1 alone, written with a v"),
    "none": Query(b"?OTRv?", (), "QUERY-PARSE-9", "no version at all"),
    "22": Query(b"?OTRv22?", (2,), "QUERY-PARSE-12", "a version listed twice"),
    "3333": Query(b"?OTRv3333?", (3,), "QUERY-PARSE-12", "a version listed four times"),
    "after-digits": Query(b"?OTRv2?3", (2,), "QUERY-PARSE-11", "a digit after the closing mark", "QUERY-SHOWN"),
    "after-text": Query(b"?OTRv2? Please use OTR.", (2,), "QUERY-FORM-8", "an explanation", "QUERY-SHOWN"),
    "after-query": Query(b"?OTRv2?OTRv3?", (2,), "QUERY-PARSE-11", "text like another query after it", "QUERY-SHOWN"),
    "after-line": Query(b"?OTRv3?\nhttps://example.org", (3,), "QUERY-FORM-8", "a second line", "QUERY-SHOWN"),
    "before-text": Query(b"Let us: ?OTRv23?", (2, 3), "QUERY-PARSE-10", "text before it", "QUERY-POSITION"),
    "before-markup": Query(b"<b>?OTRv3?</b>", (3,), "QUERY-PARSE-10", "markup around it", "QUERY-POSITION"),
    "before-mark": Query(b"??OTRv2?", (2,), "QUERY-PARSE-10", "a question mark before it", "QUERY-POSITION"),
    "before-false": Query(b"?OTR ?OTRv2?", (2,), "QUERY-PARSE-13", "a false start before it", "QUERY-POSITION"),
    "before-tag": Query(
        TAG_BASE + b"?OTRv3?", (3,), "QUERY-PARSE-10", "half a whitespace tag before it", "QUERY-POSITION"
    ),
    "open": Query(b"?OTRv2", None, "QUERY-PARSE-13", "no closing mark", "QUERY-CLOSING"),
    "open-3": Query(b"?OTRv3", None, "QUERY-PARSE-13", "no closing mark", "QUERY-CLOSING"),
    "open-23": Query(b"?OTRv23 now", None, "QUERY-PARSE-13", "a blank before any closing mark", "QUERY-CLOSING"),
    "blank-inside": Query(b"?OTRv2 ?", None, "QUERY-PARSE-13", "a blank among the versions", "QUERY-CLOSING"),
    "line-inside": Query(b"?OTRv2\n?", None, "QUERY-PARSE-13", "a line end among the versions", "QUERY-CLOSING"),
    "nul-inside": Query(b"?OTRv2\0?", None, "QUERY-PARSE-13", "a NUL among the versions", "QUERY-CLOSING"),
    "mark-only": Query(b"?OTR", None, "QUERY-PARSE-13", "the mark alone"),
    "mark-word": Query(b"?OTRless", None, "QUERY-PARSE-13", "a word that begins with the mark"),
    "mark-blank": Query(b"?OTR v2?", None, "QUERY-PARSE-13", "a blank after the mark"),
    "lower": Query(b"?otrv2?", None, "QUERY-PARSE-13", "small letters"),
    "big-v": Query(b"?OTRV2?", None, "QUERY-PARSE-13", "a large V"),
    "no-mark": Query(b"OTRv2?", None, "QUERY-PARSE-13", "no question mark first"),
    "no-v": Query(b"?OTR2?", None, "QUERY-PARSE-13", "no v"),
    "dots": Query(b"?OTR.v2?", None, "QUERY-PARSE-13", "a dot after the mark"),
}


def _other_readings(query: Query, version: int | None, versions: tuple[int, ...]) -> tuple[str, dict[str, Outcome]]:
    """Our reading, and the right result in the other ones."""
    if query.reading == "QUERY-CLOSING":
        digits = {number for number in versions if b"%d" % number in query.text.partition(b"v")[2]}
        if not digits:
            return "", {}
        read = valid(version=max(digits), shown=None, warned=False)
        return "QUERY-CLOSING:required", {"QUERY-CLOSING:optional": read}
    as_text = invalid("shown", shown=query.text, warned=False)
    shown = {} if version is None else {"version": version}
    with_text = Outcome(
        version is not None, "" if version else "ignored", valid(shown=query.text, warned=False, **shown).expect
    )
    if query.reading == "QUERY-POSITION":
        return "QUERY-POSITION:anywhere", {"QUERY-POSITION:start": as_text, "QUERY-SHOWN:show": with_text}
    if query.reading == "QUERY-SHOWN":
        return "QUERY-SHOWN:hide", {"QUERY-SHOWN:show": with_text}
    return "", {}


def queries(file: FileBuilder) -> None:
    """Every form of a query, for each set of versions that a policy allows; queries in each state."""
    for name, versions in POLICIES.items():
        allowed = tuple(policy_to_json(policy_of(versions)))
        group = file.group(
            f"parse-{name}", f"Texts received where versions {versions} are allowed.", "offer", policy=allowed
        )
        for case, query in _QUERIES.items():
            version = max(set(query.offers or ()) & set(versions), default=None)
            _offer(group, case, query, version, versions)
    off = file.plays("off", "No version is allowed: nothing is a query.", policy=Policy.NONE)
    off.play("23", "it is text", "POLICY-OFF-1", gives(b"?OTRv23?"), reaction="shown")
    off.play(
        "start",
        "the user can't ask for a private conversation",
        "POLICY-OFF-1",
        does("start"),
        reaction="refused",
    )
    for version in (2, 3):
        _states(file, version)
    _made(file)


def _offer(group: GroupBuilder, case: str, query: Query, version: int | None, versions: tuple[int, ...]) -> None:
    ours, others = _other_readings(query, version, versions)
    shows = query.shows
    if version is None:
        shows += " QUERY-ANSWER-6" if query.offers is not None else ""
    else:
        shows += " QUERY-SHOW-1 QUERY-ANSWER-1 QUERY-PURPOSE-2 POLICY-V2-1" + (" POLICY-V3-1" if version == 3 else "")
        offered = query.offers or ()
        shows += (
            " QUERY-ANSWER-2"
            if version == 3
            else " QUERY-ANSWER-3"
            if 3 in versions or 3 in offered
            else " QUERY-ANSWER-4"
        )
    reaction = "" if version else "shown" if query.offers is None else "ignored"
    group.case(
        case,
        query.comment,
        shows,
        reaction=reaction,
        flags="Query" if reaction else "",
        ours=ours,
        others=others,
        text=query.text,
    )


def _states(file: FileBuilder, version: int) -> None:
    """A query in each message state and authentication state."""
    asked = b"?OTRv%d?" % version
    reaches: Mapping[str, tuple[str, Act]] = {
        "awaiting-dhkey": ("AWAITING_DHKEY", lambda session: session.query()),
        "awaiting-revealsig": ("AWAITING_REVEALSIG", lambda session: session.commit()),
        "awaiting-sig": ("AWAITING_SIG", lambda session: session.reveal()),
        "encrypted": ("ENCRYPTED", lambda session: session.begin()),
        "finished": ("FINISHED", ended),
    }
    for name, (state, reach) in reaches.items():
        group = file.plays(f"v{version}-{name}", f"Queries in {state}.", reach, version=version)
        in_message = name in ("encrypted", "finished")
        shows = "QUERY-ANSWER-5 STATE-AUTH-2 AKE-FRESH-1 "
        shows += "QUERY-ANSWER-7" if in_message else "QUERY-ANSWER-8 QUERY-FLOOD-1"
        others = {"QUERY-ENCRYPTED:refuse": invalid("ignored", sends=(), shows=(), unchanged=True)}
        answered = name == "encrypted"
        group.play(
            "query",
            "a fresh commit",
            shows,
            gives(asked),
            ours="QUERY-ENCRYPTED:start" if answered else "",
            others=others if answered else {},
        )
        group.play(
            "many",
            "three in a row leave one handshake",
            f"{shows} QUERY-FLOOD-2",
            lambda session: [session.give(asked) for _ in range(3)],
        )
        other = b"?OTRv%d?" % (5 - version)
        group.play("other-version", "it offers no version that is allowed", "QUERY-ANSWER-6", gives(other))
        group.play(
            "start",
            "the user asks: a query goes out in the clear",
            "USER-START-1" + (" USER-START-2" if in_message else ""),
            does("start"),
        )


def _made(file: FileBuilder) -> None:
    """Queries that are sent."""
    for name, versions in POLICIES.items():
        group = file.plays(
            f"made-{name}", f"The user asks, where versions {versions} are allowed.", policy=policy_of(versions)
        )
        shows = "QUERY-FORM-6 QUERY-FORM-7 QUERY-PURPOSE-1 USER-START-1 QUERY-FORM-3"
        group.play("query", "the query offers exactly these versions, each once", shows, does("start"))
