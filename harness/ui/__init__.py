"""What people and other programs see: the command line, one module for each command, progress and reports.

This room imports everything below it; only the package's entry point imports this room.
"""
