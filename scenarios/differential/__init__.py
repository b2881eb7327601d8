"""The target beside the genuine reference engine: both are given the same, draw the same, and must do the same.

These courses of events reach far into an engine and know nothing of what is right; they claim no requirement. The first
difference in bytes, events or state is a failure. (Engines only: others do not draw from a given seed.)
"""
