"""Studies of carried plug-ins beyond one pair: a chain, a warm start, mixed towers, conditions of other classes.

Imports: as `studies`.
"""
