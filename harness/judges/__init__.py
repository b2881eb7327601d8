"""Judges that watch a world: the symbolic model of an engine, and the oracles, which hold for any target.

They do not depend on scenarios. The room imports `simulation` and what is below it.
"""
