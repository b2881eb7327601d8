"""Every cell of the state tables: each input in each state under each policy that matters. [State transitions]

The tables are data in harness/spec/states; docs/reference/states.md shows them. Each section of the text has one
scenario per message state under the usual policy, and one for all other policies. Cells that change no state are
visited one after another in one run. If that run fails, each is visited in a run of its own, so that the failure names
the cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from otterproof.harness.spec.states import INPUTS, Cell, Setting, filled, possible
from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.reply import CheckFailed, Unsupported
from otterproof.harness.testkit.scenario import scenario
from otterproof.implementations.contract import MessageState
from otterproof.scenarios.conformance.cells_play import Unreached, walk

#: The sections, by a short name.
SECTIONS = {
    "Receiving plaintext without the whitespace tag": "plaintext",
    "Receiving plaintext with the whitespace tag": "tagged_plaintext",
    "Receiving a Query Message": "query",
    "Receiving an Error Message": "error",
    "Receiving a D-H Commit Message": "commit",
    "Receiving a D-H Key Message": "dh_key",
    "Receiving a Reveal Signature Message": "reveal_signature",
    "Receiving a Signature Message": "signature",
    "Receiving a Version 1 Key Exchange Message": "key_exchange",
    "Receiving a Data Message": "data_message",
    "User requests to start an OTR conversation": "start",
    "User types a message to be sent": "send",
    "User requests to end an OTR conversation": "end",
}


#: How many further cells a failure names at most.
_NAMED = 20


def _cells(version: int, section: str, messages: Sequence[MessageState], usual: bool) -> list[Cell]:
    """The cells of a section that can exist, under the usual policy or under all others."""
    inputs = {one.name for one in INPUTS if one.section == section}
    return [
        cell
        for cell in possible()
        if cell.version == version
        and cell.input in inputs
        and cell.message in messages
        and (cell.setting is Setting.USUAL) == usual
    ]


def runs(cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """The cells, grouped by run: those that change no state share one, and each of the rest has its own."""
    order = sorted(cells, key=lambda cell: (cell.message.value, cell.auth.value))
    for _, alike in groupby(order, key=lambda cell: (cell.message, cell.auth)):
        staying: list[Cell] = []
        for cell in alike:
            if filled()[cell].stays and cell.setting is not Setting.OFF:
                staying.append(cell)
            else:
                yield [cell]
        if staying:
            # SEND_TAG first: a client stops sending the tag once plaintext has arrived.
            yield sorted(staying, key=lambda cell: cell.setting is not Setting.SEND_TAG)


@dataclass(frozen=True, slots=True)
class Failure:
    """A cell that deviates from the table. after_others: only when it is visited after all others of its states."""

    cell: Cell
    failed: CheckFailed
    after_others: bool = False

    def __str__(self) -> str:
        name = str(self.cell).partition(" ")[2]  # without the version, which is in the scenario's id
        return f"{name}, after all others in these states" if self.after_others else name


def _alone(context: Context, cells: Sequence[Cell]) -> Iterator[Failure]:
    """The failures among some cells, each visited in a run of its own."""
    for cell in cells:
        try:
            walk(context, [cell])
        except CheckFailed as failed:
            yield Failure(cell, failed)
        except Unsupported:
            continue


def visit_all(context: Context, cells: Sequence[Cell]) -> None:
    """Visit cells, and report all that deviate from the table in one failure, with the check of the first.

    The first is visited again at the end. Cells whose states can't be reached are skipped; Unsupported if no others are
    left.
    """
    failures: list[Failure] = []
    unreached: list[Exception] = []
    # For a target that speaks one version only, allowing only the other version switches OTR off.
    both = context.target.capabilities >= {"v2", "v3"}
    able = [cell for cell in cells if both or cell.setting is not Setting.OTHER_VERSION]
    for way in runs(able):
        try:
            walk(context, way)
        except (Unreached, Unsupported) as error:
            unreached.append(error)
            continue
        except CheckFailed as failed:
            alone = list(_alone(context, way)) if len(way) > 1 else [Failure(way[0], failed)]
            failures += alone or [Failure(way[-1], failed, after_others=True)]
        context.visited.update(map(str, way))
    if failures:
        if len(failures) > 1:
            list(_alone(context, [failures[0].cell]))
        raise _together(failures)
    if not context.visited:
        why = str(unreached[0]) if unreached else "it speaks one version alone"
        raise Unsupported(f"these states can't be reached with the target: {why}"[:400])


def _together(failures: Sequence[Failure]) -> CheckFailed:
    """One failure for several: the first, with the cells of the others."""
    first, others = failures[0].failed, failures[1:]
    case = f"{failures[0]}: {first.case}" if first.case else str(failures[0])
    if others:
        cells = [f"{failure} ({failure.failed.check})" for failure in others]
        rest = f", and {len(cells) - _NAMED} more" if len(cells) > _NAMED else ""
        case += f"; also wrong: {', '.join(cells[:_NAMED])}{rest}"
    failed = CheckFailed(first.check, first.rule, case=case, expected=first.expected, got=first.got)
    failed.failed_cases = tuple(str(one) for one in failures if one.failed.check == first.check)
    return failed


def _claims(cells: Sequence[Cell]) -> tuple[str, ...]:
    claims = {claim for cell in cells for claim in filled()[cell].claims}
    return tuple(sorted(claims | {"STATE-ACTIONS-1", "!STATE-ACTIONS-1"}))


_CELLS: dict[str, dict[int, list[Cell]]] = {}


def registered() -> dict[str, dict[int, list[Cell]]]:
    """The cells that each scenario visits, by scenario name and version."""
    return dict(_CELLS)


def _register(section: str, name: str, messages: Sequence[MessageState], usual: bool) -> None:
    """Make the scenario for some cells of a section, if there are any."""
    cells = {version: _cells(version, section, messages, usual) for version in (2, 3)}
    versions = tuple(version for version in cells if cells[version])
    if not versions:
        return
    where = messages[0].name if len(messages) == 1 else "every message state"
    policies = "" if usual else ", under each policy that matters"

    def run(context: Context) -> None:
        visit_all(context, cells[context.version])

    run.__name__ = run.__qualname__ = name
    run.__doc__ = f'In {where} and every authentication state, all cells of "{section}" are as the text says{policies}.'
    _CELLS[name] = cells
    every = [cell for version in versions for cell in cells[version]]
    tags = any(cell.input == "tagged_plaintext" or cell.setting is Setting.SEND_TAG for cell in every)
    needs = ("policy",) * (not usual) + ("whitespace_tag",) * tags
    scenario(versions=versions, needs=needs, requirements=_claims(every))(run)


for _section, _name in SECTIONS.items():
    for _message in MessageState:
        _register(_section, f"{_name}_in_{_message.value}", (_message,), True)
    _register(_section, f"{_name}_by_policy", tuple(MessageState), False)
