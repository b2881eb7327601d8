"""Exploration: try every sequence of moves up to a length, where a random run tries some.

The adversary holds every message that was ever sent and hands any of them to any party, as often as it likes. This one
move covers loss, duplication, delay, reordering and replay: a lost message is one that is never handed over. So a state
consists of the state of each party and the set of messages that the adversary holds. States are found breadth-first and
each is expanded once, so the first run that breaks a rule is a shortest one.

A party's next state depends on its own inputs alone, because it draws its randomness by label and number. So the states
of each party form a graph of their own (one_party.py), which all runs share. The cryptography, the model and the
oracles that look at one party run once for each edge of it. A step of a run is then a look-up, judged by the oracles
that look at both sides (search.py).
"""
