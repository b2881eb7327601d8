"""A conversation under an adversary: moves, the network, the world that carries out moves, and its transcript.

Nothing here happens by itself or at random, so the same moves on the same parties give the same run. Code that needs a
conversation without an adversary calls `exchange.exchange`, which delivers everything in order. The room imports
`targets` and what is below it.
"""
