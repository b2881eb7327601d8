"""The checks on cells of the state tables: for each section of the text, one on the reaction and one on the states.

Their texts are in harness/spec/checks/cells.toml.
"""

from __future__ import annotations

from otterproof.harness.spec.states import INPUTS, Cell

#: By section: the check that fails when the answer to an input, or what the user is shown, differs from the cell.
_REACTIONS = {
    "Receiving plaintext without the whitespace tag": "state.wrong-reaction-to-plaintext",
    "Receiving plaintext with the whitespace tag": "state.wrong-reaction-to-tag",
    "Receiving a Query Message": "state.wrong-reaction-to-query",
    "Receiving an Error Message": "state.wrong-reaction-to-error",
    "Receiving a D-H Commit Message": "state.wrong-reaction-to-dh-commit",
    "Receiving a D-H Key Message": "state.wrong-reaction-to-dh-key",
    "Receiving a Reveal Signature Message": "state.wrong-reaction-to-reveal-signature",
    "Receiving a Signature Message": "state.wrong-reaction-to-signature",
    "Receiving a Version 1 Key Exchange Message": "state.wrong-reaction-to-key-exchange",
    "Receiving a Data Message": "state.wrong-reaction-to-data",
    "User requests to start an OTR conversation": "state.wrong-reaction-to-start",
    "User types a message to be sent": "state.wrong-reaction-to-typed-text",
    "User requests to end an OTR conversation": "state.wrong-reaction-to-end",
}

#: By section: the check that fails when the states after an input differ from the cell. Other inputs change no state.
_STATES_AFTER = {
    "Receiving plaintext with the whitespace tag": "state.wrong-state-after-tag",
    "Receiving a Query Message": "state.wrong-state-after-query",
    "Receiving a D-H Commit Message": "state.wrong-state-after-dh-commit",
    "Receiving a D-H Key Message": "state.wrong-state-after-dh-key",
    "Receiving a Reveal Signature Message": "state.wrong-state-after-reveal-signature",
    "Receiving a Signature Message": "state.wrong-state-after-signature",
    "Receiving a Data Message": "state.wrong-state-after-data",
    "User requests to end an OTR conversation": "state.wrong-state-after-end",
}

_SECTION_OF = {one.name: one.section for one in INPUTS}


def reaction_check(cell: Cell) -> str:
    """The id of the check on what goes out and what the user is shown."""
    return _REACTIONS[_SECTION_OF[cell.input]]


def state_check(cell: Cell) -> str:
    """The id of the check on the states that follow."""
    return _STATES_AFTER.get(_SECTION_OF[cell.input], "state.changed-without-cause")
