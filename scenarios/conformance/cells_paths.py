"""Every cell of the state tables again, with its states entered in every possible way.

The scenarios in cells.py enter the states of a cell in one way only. On another way a client may forget or keep the
wrong thing: AWAITING_DHKEY is also entered from AWAITING_REVEALSIG, and ENCRYPTED from FINISHED. Each way is a cell
that leads to the states. Cells that fail even when their states are entered in the usual way, and ways that fail
themselves, are left to the scenarios in cells.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from otterproof.harness.spec.states import Cell, Setting, filled, possible
from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.reply import CheckFailed, Unsupported
from otterproof.harness.testkit.scenario import scenario
from otterproof.implementations.contract import AuthState, MessageState
from otterproof.scenarios.conformance.cells import runs
from otterproof.scenarios.conformance.cells_play import Position, Unreached, probe, visit, walk
from otterproof.scenarios.conformance.handshake_play import LATER

#: A message and an authentication state.
States = tuple[MessageState, AuthState]


def _follow(cell: Cell) -> States | None:
    """The states that a cell leads to; None if it changes nothing, or if the texts leave the states open."""
    row = filled()[cell]
    after = (row.message or cell.message, row.auth or cell.auth)
    if row.stays or row.or_auth not in (None, after[1]):
        return None
    return after


@cache
def entries(version: int) -> Mapping[States, tuple[Cell, ...]]:
    """The cells that lead to each pair of states."""
    found: dict[States, list[Cell]] = defaultdict(list)
    for cell in possible():
        states = _follow(cell)
        if states is None or cell.version != version or cell.setting not in (Setting.USUAL, Setting.TAG_STARTS):
            continue
        if cell.input != "commit_equal":  # nobody can open that commit, so the handshake can't go on
            found[states].append(cell)
    return {states: tuple(cells) for states, cells in found.items()}


#: Cells, visited one after another, that lead to a pair of states.
Way = tuple[Cell, ...]


@cache
def ways_to(version: int, states: States) -> tuple[Way, ...]:
    """All ways into a pair of states: the cells that lead there.

    If there are only one or two, each is combined with every cell that leads to its own states.
    """
    last = entries(version)[states]
    if len(last) > 2:
        return tuple((cell,) for cell in last)
    return tuple(
        (before, cell)
        for cell in last
        for before in entries(version)[cell.message, cell.auth]
        if before.setting is Setting.USUAL
    )


@cache
def cells_of(version: int, states: States) -> tuple[Cell, ...]:
    """The cells of a pair of states under the usual policy."""
    return tuple(
        cell
        for cell in possible()
        if cell.version == version and (cell.message, cell.auth) == states and cell.setting is Setting.USUAL
    )


def _walk(context: Context, way: Way, cells: Sequence[Cell]) -> None:
    """Enter a pair of states by the cells of a way, and visit cells there. CheckFailed, Unreached."""
    first = way[0]
    try:
        at = Position(context, first.message, first.auth)
        for cell in way:
            at.subject.tick(LATER)
            visit(at, cell)
        if at.message is MessageState.ENCRYPTED:
            at.arrive(True)  # sends a text, so that no heartbeat is due
    except CheckFailed as failed:
        raise Unreached(f"{_named(way)}: {failed.check}") from failed
    at.set(Setting.USUAL)
    for cell in cells:
        visit(at, cell)
    probe(at, filled()[cells[-1]].or_auth)


def _named(way: Way) -> str:
    """A way in words, without the version, which is in the scenario's id."""
    return ", then ".join(str(cell).partition(" ")[2] for cell in way)


def _right_otherwise(context: Context, cell: Cell) -> bool:
    """Whether a cell passes when its states are entered in the usual way."""
    try:
        walk(context, [cell])
    except (CheckFailed, Unreached):
        return False
    return True


def _wrong(context: Context, way: Way, cells: Sequence[Cell]) -> CheckFailed | None:
    """The failure of the first cell that passes when its states are entered in the usual way, but not in this way.

    Each cell is visited in a run of its own.
    """
    for cell in cells:
        if not _right_otherwise(context, cell):
            continue
        try:
            _walk(context, way, [cell])
        except CheckFailed as failed:
            case = f"{_named((cell,))}, after {_named(way)}"
            failed.case = f"{case}: {failed.case}" if failed.case else case
            return failed
    return None


def enter_by_every_way(context: Context, states: States) -> None:
    """Visit all cells of a pair of states, entering the states in every way."""
    able = context.target.capabilities >= {"policy", "whitespace_tag"}
    reached = False
    for way in ways_to(context.version, states):
        if not able and any(cell.setting is not Setting.USUAL for cell in way):
            continue
        for cells in runs(cells_of(context.version, states)):
            try:
                _walk(context, way, cells)
            except Unreached:
                break
            except CheckFailed:
                failed = _wrong(context, way, cells)
                if failed is not None:
                    raise failed from None
            reached = True
    if not reached:
        raise Unsupported("these states can't be reached with the target in any way")


def _claims(cells: Iterable[Cell]) -> tuple[str, ...]:
    claims = {claim for cell in cells for claim in filled()[cell].claims}
    return tuple(sorted(claims | {"STATE-ACTIONS-1", "!STATE-ACTIONS-1"}))


def _register(states: States) -> None:
    """Make the scenario for a pair of states."""
    message, auth = states
    versions = tuple(version for version in (2, 3) if entries(version).get(states))

    def run(context: Context) -> None:
        enter_by_every_way(context, states)

    run.__name__ = run.__qualname__ = f"ways_to_{message.value}_and_{auth.value}"
    run.__doc__ = (
        f"In {message.name} and {auth.name}, entered in every way that there is, all cells are as the text says."
    )
    scenario(versions=versions, requirements=_claims(cells_of(versions[0], states)))(run)


for _message in MessageState:
    for _auth in AuthState:
        if entries(2).get((_message, _auth)):
            _register((_message, _auth))
