"""The API for writing scenarios: the context, sessions, replies, checks and the insider.

Authors of scenarios use this room through the names that `otterproof` exports. It imports `judges` and the rooms below
it.
"""
