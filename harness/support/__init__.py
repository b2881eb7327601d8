"""What every room may use: the root of the errors, exit codes, signals, and handling of files and foreign text.

Nothing here knows about OTR. This room imports no other room of the harness.
"""
