"""The commands of `otterproof`, one module each.

A command module has `add_arguments`, which declares its options, and `run`, which carries it out and returns the exit
code. Only the module of the command that was asked for is imported, so `otterproof --help` stays quick.
"""
