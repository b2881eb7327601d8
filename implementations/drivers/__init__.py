"""Drivers: third-party implementations behind the driver protocol, each in its own language."""
