"""A conversation under an adversary: moves, the network, the world that carries out moves, and its transcript.

Nothing happens here by itself and nothing is random, so the same moves on the same parties give the same run. Code that
needs a conversation and no adversary calls `exchange.exchange`, which delivers everything in order. The room imports
`targets` and what is below it.
"""
