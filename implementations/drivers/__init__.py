"""Drivers: third-party implementations behind the driver protocol, each in the language of the implementation."""
