"""What the protocol texts say, as data: requirements and readings, state tables, classes of defects, choices.

The tables are TOML files and Python data. The modules load and check them, and render the pages of `docs/` that are
made from them. The room imports only `support`.
"""
