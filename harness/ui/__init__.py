"""What people and other programs see: the command line, one module for each command, progress and reports.

The room imports everything below it and is imported by nothing but the package's own entry point.
"""
