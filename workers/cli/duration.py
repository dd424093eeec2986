"""Lengths of time as people write them: `29d23h59m59s`."""

import re
from datetime import timedelta

UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def duration(text: str) -> timedelta:
    """`29d23h59m59s`, in any size of unit.

    Raises ValueError for anything else.
    """
    if not re.fullmatch(r"(\d{1,10}[dhms])+", text):
        raise ValueError(f"{text!r} is not a duration; write it like 29d23h59m59s or 1814400s")
    return timedelta(seconds=sum(int(count) * UNITS[unit] for count, unit in re.findall(r"(\d+)([dhms])", text)))
