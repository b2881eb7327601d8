"""The driver of python-potr."""
