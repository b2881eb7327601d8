"""What scenarios are written with: the context, sessions, replies and checks, and the insider.

This room is public to authors of scenarios, through the names that `otterproof` exports. It imports `judges` and what
is below it.
"""
