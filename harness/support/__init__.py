"""What every room may use: the root of the errors, exit codes, signals, and how files and foreign text are handled.

Nothing here knows about OTR. The room imports no other room of the harness.
"""
