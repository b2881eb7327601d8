"""Running things: scenarios in worker processes, known deviations, replay, the matrix, fuzzing, faults, bench.

A run produces results and files. How a person sees them is the business of `ui`. The room imports `testkit` and what
is below it.
"""
