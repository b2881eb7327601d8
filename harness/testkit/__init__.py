"""The API for writing scenarios: the context, sessions, replies, checks and the insider.

This room is public to authors of scenarios, through the names that `otterproof` exports. It imports `judges` and what
is below it.
"""
