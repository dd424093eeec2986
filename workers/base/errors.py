"""Errors that an adapter may raise, and how each is met."""


class Permanent(Exception):  # noqa: N818 - it is an outcome, named as the log names it
    """The outside said no; trying again will not help."""


class Temporary(Exception):  # noqa: N818 - see above
    """The outside could not do it now; the same call with the same key may be made again."""


class Outage(Temporary):
    """A part of the outside works for nobody: it is no fault of this work, which is never given up for it."""

    alarm_code = ""
    """What operators are told at once."""


HELD = "held: "
"""So begins the error of an effect that only a guard has stopped."""


class Held(Temporary):
    """A guard stops it for now: that is no fault, so it is asked again and never given up."""

    prefix = HELD
    """Begins the error that is written down."""

    again_seconds = 600.0
    """Machine time until it is asked again, if nothing asks before."""


class Awaited(Held):
    """An operator must do something first: it is never given up either, and shown as a fault from the first time."""

    prefix = ""
    again_seconds = 20.0


class Mounted(Temporary):
    """Something is mounted in what is to be taken away: that is the operator's, and waits until it is unmounted."""


class Unknown(Exception):  # noqa: N818 - see above
    """Nobody knows whether it was done: look it up with the same key, never do it blindly again."""
