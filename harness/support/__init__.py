"""What every room may use: the base class of errors, exit codes, signals, and the handling of files and untrusted text.

Nothing here knows about OTR. This room imports no other room of the harness.
"""
