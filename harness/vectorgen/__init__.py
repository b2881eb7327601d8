"""Generates and verifies the known-answer vectors and has targets answer them. The package `vectors` holds them."""
