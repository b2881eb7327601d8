"""The symbolic model explored against itself: the rules are run on both sides, with made-up values in place of keys.

Nothing is encrypted, so far more runs are looked at than with engines. What is asked is not whether an implementation
follows the rules, but whether the rules themselves keep what they promise: invariants.py says what that is.
mutations.py has rules that do not keep it, one or more for each invariant.
"""
