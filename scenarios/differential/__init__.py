"""The target is compared with the reference engine: both get the same inputs and random values and must do the same.

These scenarios test an engine in depth without knowing what is correct: the first difference in bytes, events or state
is a failure. The target must be an engine, since other targets do not draw from a given seed; only the scenarios of
`courses` run with every target.
"""
