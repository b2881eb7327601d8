"""Running things: scenarios in worker processes, known deviations, replay, the matrix, fuzzing, faults, bench.

A run produces results and files; `ui` decides how to show them. This room imports `testkit` and the rooms below it.
"""
