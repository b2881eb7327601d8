"""The exit codes of all commands. Each says one thing only: 1 is about the target, and never about a disk or a pipe."""

CONFORMS, DEVIATES, USAGE, NOT_RUN, INTERRUPTED = 0, 1, 2, 3, 130

#: For --help.
EXPLAINED = (
    "Exit codes: 0 conforms, 1 something does not, 2 wrong usage, 3 something could not be run, or a result could not "
    "be written; 130 interrupted."
)
