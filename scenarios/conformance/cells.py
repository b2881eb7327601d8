"""Every cell of the state tables: each input in each state under each policy that matters. [State transitions]

The tables are data, harness/spec/states; docs/states.md shows them. There is a scenario for each section of the text
and each message state, and one for each section with the policies that are not the usual one. Cells that change no
state share a way to it, and are visited one by one when something is wrong, so that the failure names the cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from otterproof.harness.spec.states import INPUTS, Cell, Setting, filled, possible
from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.reply import CheckFailed, Unsupported
from otterproof.harness.testkit.scenario import scenario
from otterproof.implementations.contract import MessageState
from otterproof.scenarios.conformance.cells_play import Failure, Unreached, walk

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


def _cells(version: int, section: str, messages: Sequence[MessageState], usual: bool) -> list[Cell]:
    """The cells of a section that can exist, with the usual policy or with the others."""
    inputs = {one.name for one in INPUTS if one.section == section}
    return [
        cell
        for cell in possible()
        if cell.version == version
        and cell.input in inputs
        and cell.message in messages
        and (cell.setting is Setting.USUAL) == usual
    ]


def _ways(cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """The cells by the ways on which they are visited: those in which nothing changes together, others alone."""
    order = sorted(cells, key=lambda cell: (cell.message.value, cell.auth.value))
    for _, alike in groupby(order, key=lambda cell: (cell.message, cell.auth)):
        staying: list[Cell] = []
        for cell in alike:
            if filled()[cell].stays and cell.setting is not Setting.OFF:
                staying.append(cell)
            else:
                yield [cell]
        if staying:
            # A text that is to bear a tag comes before any plaintext does.
            yield sorted(staying, key=lambda cell: cell.setting is not Setting.SEND_TAG)


def _alone(context: Context, cells: Sequence[Cell]) -> Iterator[Failure]:
    """What is wrong with each of some cells, each visited on a way of its own."""
    for cell in cells:
        try:
            walk(context, [cell])
        except CheckFailed as failed:
            yield Failure(cell, str(failed))


def visit_all(context: Context, cells: Sequence[Cell]) -> None:
    """Visit cells; those that are not as they must be are named together, and the first of them is the last one run.

    Cells whose states the target does not get into are not visited; Unsupported when there are no others.
    """
    failures: list[Failure] = []
    unreached: list[Unreached] = []
    for way in _ways(cells):
        try:
            walk(context, way)
        except Unreached as error:
            unreached.append(error)
            continue
        except CheckFailed as failed:
            alone = list(_alone(context, way)) if len(way) > 1 else [Failure(way[0], str(failed))]
            failures += alone or [Failure(way[-1], f"after all others in these states: {failed}")]
        context.visited.update(map(str, way))
    if failures:
        if len(failures) > 1:
            list(_alone(context, [failures[0].cell]))
        raise CheckFailed("\n".join(f"{failure}"[:400] for failure in failures))
    if not context.visited:
        raise Unsupported(f"the target does not get into these states: {unreached[0]}"[:400])


def _claims(cells: Sequence[Cell]) -> tuple[str, ...]:
    claims = {claim for cell in cells for claim in filled()[cell].claims}
    return tuple(sorted(claims | {"STATE-ACTIONS-1", "!STATE-ACTIONS-1"}))


_CELLS: dict[str, dict[int, list[Cell]]] = {}


def registered() -> dict[str, dict[int, list[Cell]]]:
    """The cells that each scenario visits, by its name and the version."""
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
    run.__doc__ = f'In {where} and every authentication state all cells of "{section}" are as the text says{policies}.'
    _CELLS[name] = cells
    every = [cell for version in versions for cell in cells[version]]
    tags = any(cell.input == "tagged_plaintext" or cell.setting is Setting.SEND_TAG for cell in every)
    needs = ("policy",) * (not usual) + ("whitespace_tag",) * tags
    scenario(versions=versions, needs=needs, requirements=_claims(every))(run)


for _section, _name in SECTIONS.items():
    for _message in MessageState:
        _register(_section, f"{_name}_in_{_message.value}", (_message,), True)
    _register(_section, f"{_name}_by_policy", tuple(MessageState), False)
