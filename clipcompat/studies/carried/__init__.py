"""Studies of carried plug-ins beyond one pair: a chain, a warm start, mixed towers, other classes.

Imports: as `studies`.
"""
