"""Readings: probes that measure how a target answers the questions that the protocol texts leave open.

The questions, the possible answers and what is looked at are in the register,
harness/spec/requirements/readings_*.toml.
"""
