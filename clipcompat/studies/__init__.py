"""One experiment per file, each with one function from an `Experiment` to rows; `registry.py` names them.

Imports: `plugins` and below.
"""
