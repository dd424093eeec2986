"""What must not happen: timers on a clock that jumped, deletions that nobody meant, personal data that stays.

`safe_mode` stops every timer, `breaker` stops deletions, `erasure` forgets a customer everywhere.
"""
