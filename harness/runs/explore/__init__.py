"""Exploring: every sequence of moves up to a length, where a random run tries some.

The adversary holds every message that was ever sent and hands any of them to anybody, as often as it likes. Loss,
duplication, delay, reordering and replay are all in that one move: a message that is lost is never handed over. So a
state is what each party has become, and the set of messages that the adversary holds. States are found breadth-first,
each expanded once; the first run that breaks a rule is therefore a shortest one.

What a party becomes depends on its own inputs alone, since it draws its randomness by label and number. So each
party's states are a graph of their own (one_party.py), which all runs share, and the cryptography, the model and the
oracles that look at one party alone do their work once for each edge of it. A step of a run is then a look-up, judged
by the oracles that look at both sides (search.py).
"""
