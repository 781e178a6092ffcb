"""Charts, sentences and tables of the chapters, one folder per subject.

Imports: `clipcompat`; `show`, `words`, `means`, `pictures`, `committed`, `explore` of this package.
"""
