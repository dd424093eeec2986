"""What an adapter may say when the outside world did not do as asked."""


class Permanent(Exception):  # noqa: N818 - it is an outcome, named as the log names it
    """The outside said no; trying again will not help."""


class Temporary(Exception):  # noqa: N818 - see above
    """The outside could not do it now; the same call with the same key may be made again."""


class Unknown(Exception):  # noqa: N818 - see above
    """Nobody knows whether it was done: look it up with the same key, never do it blindly again."""
