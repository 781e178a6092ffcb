"""Many runs from one list: what to run, in which processes, and what is done. Imports: `runs` and below."""
