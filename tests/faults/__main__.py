"""`python -m tests.faults`: the table of faults."""

import sys

from tests.faults.table import shown

if __name__ == "__main__":
    sys.stdout.write(shown())
