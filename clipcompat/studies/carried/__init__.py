"""Studies of carried plug-ins beyond one pair: a chain, a warm start.

Imports: as `studies`.
"""
