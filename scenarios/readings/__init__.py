"""Readings: probes that measure how a target answers the questions that the protocol texts leave open.

The register, harness/spec/requirements/readings_*.toml, has the questions, the possible answers and what is measured.
"""
