"""The target beside the reference engine: both get the same inputs, draw the same randomness and must do the same.

These scenarios reach far into an engine, and know nothing of what is right: the first difference in bytes, events or
state is a failure. A target must be an engine for them, since others do not draw from a given seed; only those of
`courses` are for every target.
"""
