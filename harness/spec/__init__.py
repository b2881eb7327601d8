"""What the protocol texts say, as data: requirements and readings, state tables, classes of defects, choices.

The tables are TOML and Python data; the modules load them, check them and render the pages of `docs/` that are made
from them. The room imports `support` alone.
"""
