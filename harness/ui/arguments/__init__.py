"""What each command takes: a module for each, of the same name as the one in `commands` that carries it out.

Such a module has PURPOSE, a sentence on what the command is for; EXAMPLES, command lines and what each does; and
`add_arguments`. It imports nothing that judges, so that help and completion take no time.
"""
