"""Fuzzing: run random programs of moves, judge them with the oracles, shrink what fails, and keep it reproducible."""
