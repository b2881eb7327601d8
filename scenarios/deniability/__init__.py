"""Deniability: what anyone can forge once keys are revealed; forward secrecy: what no one can read after keys are gone.

[Overview, Revealing MAC keys, Key Management]
"""
