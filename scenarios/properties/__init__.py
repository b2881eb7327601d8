"""Everything that the oracles demand, under everything that users and the adversary can do.

harness/runs/fuzz/actions.py has the table of moves. The machines hand it to Hypothesis. The scenarios draw from it with
the generator of `otterproof fuzz`, so that a target is judged by the same runs everywhere.
"""
