"""The state tables as data: what each input does in each state, under each policy that matters for it.

`rows.py` has the table, read off the sections of "State transitions"; `table.py` its form, and the product of all
cells; `page.py` makes docs/reference/states.md of it. The scenarios `conformance.cells` visit every cell that can
exist.
"""

from otterproof.harness.spec.states.rows import INPUTS, ROWS, filled, possible
from otterproof.harness.spec.states.table import Cell, Input, Row, Sent, Setting, Shown, find, product

__all__ = [
    "INPUTS",
    "ROWS",
    "Cell",
    "Input",
    "Row",
    "Sent",
    "Setting",
    "Shown",
    "filled",
    "find",
    "possible",
    "product",
]
