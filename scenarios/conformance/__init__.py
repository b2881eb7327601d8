"""Conformance: what the protocol texts demand, one scenario for each demand or a few that belong together.

The modules follow the areas of the table of requirements. Each scenario names the requirements that it judges; "!" in
front of one says that here it is broken, or put to the test.
"""
