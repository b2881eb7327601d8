"""Deniability and forward secrecy: what anybody can forge once keys are revealed, and what nobody can read once they
are forgotten. [Overview, Revealing MAC keys, Key Management]
"""
