"""The training loop and its contract (`Method`, `Learner`, `Task`, `Recipe`). Knows no method.

Imports: `features` and below.
"""
