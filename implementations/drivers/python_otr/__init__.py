"""The driver of python-otr."""
