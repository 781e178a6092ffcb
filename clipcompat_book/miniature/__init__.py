"""How the miniature was made and accepted: captions, pretraining, trials, and the appendix that shows them.

Imports: `clipcompat`; `show`, `words`, `means` of this package.
"""
