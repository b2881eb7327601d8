"""Fuzzing: random programs of moves, judged by the oracles; what fails is made small and can be had again."""
