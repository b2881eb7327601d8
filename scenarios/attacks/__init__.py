"""Attacks: what someone on the network, with revealed keys or with valid ones could try, and must not achieve."""
