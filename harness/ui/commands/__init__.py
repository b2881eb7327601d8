"""The commands of `otterproof`, one module each.

A command module has `run`, which executes the command and returns the exit code. Only the module of the requested
command is imported, so `otterproof --help` stays fast.
"""
