"""The published page of the state tables: docs/reference/states.md, generated from the rows never edited by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from otterproof.harness.spec import pages
from otterproof.harness.spec.requirements import requirement_ids
from otterproof.harness.spec.states.rows import INPUTS, ROWS, filled, possible
from otterproof.harness.spec.states.table import SETTINGS, Input, Row, Setting
from otterproof.implementations.contract import AuthState, MessageState

INTRODUCTION = """\
# The state tables

This page is made from the table in `harness/spec/states/rows.py`; do not edit it. `otterproof docs` writes it.

A client has a message state (PLAINTEXT, ENCRYPTED, FINISHED), which decides what becomes of the user's texts, and an
authentication state (NONE, AWAITING_DHKEY, AWAITING_REVEALSIG, AWAITING_SIG), which says how far a handshake has come.
For each input the tables below say what goes out, what the user sees and which states follow, in every combination
that can exist; *stays* means that both states are as before. The scenarios `conformance.cells` bring a target
into each of these states in each version, give it the input, and then find out from outside in which state it is.

The transitions of the authentication state, with what goes out (`+`) for what comes in:

```text
                 query, tag: + D-H Commit                  D-H Key: + Reveal Signature
   any state --------------------------> AWAITING_DHKEY --------------------------> AWAITING_SIG --- Signature ---> NONE
                                               |                                        |                (ENCRYPTED)
                       D-H Commit, hash not    |                                        |  D-H Commit:
                       lower: + D-H Key        |                                        |  + D-H Key
                                               v                                        |
   NONE ------------------------------> AWAITING_REVEALSIG <----------------------------+
            D-H Commit: + D-H Key              |
                                               +--- Reveal Signature: + Signature ---> NONE (ENCRYPTED)
```

The message state becomes ENCRYPTED when a handshake completes, FINISHED when the correspondent ends the session, and
PLAINTEXT when the user does.
"""


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _states(row: Row, versions: Sequence[int]) -> Iterator[str]:
    """The message states and authentication states of a row, as two cells."""
    for among, chosen in ((MessageState, row.messages), (AuthState, row.auths)):
        names = [state.name for state in among if state in chosen]
        yield "any" if len(names) == len(among) else ", ".join(names)


def _follows(row: Row) -> str:
    if row.message is None and row.auth is None:
        return "stays"
    auth = row.auth.name if row.auth else ""
    if row.or_auth:
        auth = f"{auth or 'as before'} or {row.or_auth.name}"
    return ", ".join(name for name in (row.message.name if row.message else "", auth) if name)


def _sends(row: Row) -> str:
    sends = ", ".join(row.sends) or "nothing"
    return sends if row.or_sends is None else f"{sends}, or {', '.join(row.or_sends)}"


def _rows(one: Input, wanted: bool) -> Iterator[tuple[Row, Setting]]:
    """The rows of an input with their settings: the possible ones, or the impossible ones."""
    for setting in one.settings:
        for row in ROWS:
            if one.name in row.inputs and setting in row.settings and bool(row.impossible) != wanted:
                yield row, setting


def _input(one: Input) -> Iterator[str]:
    yield f"### {one.title[0].upper()}{one.title[1:]} (`{one.name}`)"
    yield ""
    if len(one.versions) == 1:
        yield f"Version {one.versions[0]} only."
        yield ""
    yield _line(
        ["Message state", "Authentication state", "Policy", "Goes out", "The user sees", "Then", "Requirements"]
    )
    yield _line(["---"] * 7)
    for row, setting in _rows(one, True):
        ids = sorted(requirement_ids(row.claims))
        remarks = [*ids, f"reading {row.reading}"] if row.reading else ids
        cells = [*_states(row, one.versions), SETTINGS[setting], _sends(row), row.shows.value or "nothing"]
        yield _line([*cells, _follows(row), ", ".join(remarks)])
    yield ""
    for row, setting in _rows(one, False):
        message, auth = _states(row, one.versions)
        yield f"- Not with message state {message}, authentication state {auth}, `{setting}`: {row.impossible}"
    if any(True for _ in _rows(one, False)):
        yield ""


def render() -> str:
    """The page as Markdown."""
    every, there = len(filled()), len(possible())
    lines = [INTRODUCTION]
    lines.append(
        f"Both versions together have {every} cells: {there} that can exist, each of which is visited, and "
        f"{every - there} that cannot, with the reason."
    )
    lines += ["", "## Policies", "", "Of the 64 policies those count that the text makes matter for an input:", ""]
    lines += [f"- `{setting}`: {meaning}" for setting, meaning in SETTINGS.items()]
    lines.append("")
    section = ""
    for one in INPUTS:
        if one.section != section:
            section = one.section
            lines += [f"## {section}", ""]
        lines += _input(one)
    return "\n".join(lines).rstrip() + "\n"


pages.register("reference/states.md", render)
