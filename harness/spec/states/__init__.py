"""The state tables as data: what each input does in each state, under each relevant policy.

`rows.py` holds the table, taken from the sections of "State transitions"; `table.py` defines its form and the product
of all cells; `page.py` renders docs/reference/states.md. The scenarios `conformance.cells` visit every possible cell.
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
