"""The command line: `main` finds a verb by its name; each verb stands in a module, its documents in `…reports`.

Data goes to stdout, all else to stderr.
"""
