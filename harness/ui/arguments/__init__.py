"""The arguments of each command: one module each, named like the module in `commands` that executes the command.

Such a module has PURPOSE, a sentence about the command; EXAMPLES, command lines and what each does; and
`add_arguments`. It imports nothing that judges, so help and completion are fast.
"""
