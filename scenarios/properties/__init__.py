"""Everything the oracles say, under everything that users and the adversary can do.

What can be done is the table of harness/runs/fuzz/actions.py. The machines hand it to Hypothesis. The scenarios draw
from the same table with the generator of `otterproof fuzz`, so that a target is judged by the same runs everywhere.
"""
