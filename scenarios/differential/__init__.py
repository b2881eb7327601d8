"""Differential: the target and the reference engine are given the same; what comes of it must be the same."""
