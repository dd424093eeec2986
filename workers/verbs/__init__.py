"""The verbs of the command line: data on stdout, all else on stderr. `workers/cli.py` finds them by name."""
