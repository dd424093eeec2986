"""Effects: claim them, act outside of any transaction, settle them.

Quick ones go through a `crew`: it claims and settles them in groups, and its threads act. Slow ones go one by one.

`executor` knows no kind: `registry` names the handler of each, and every handler stands in a module of its own. It
gets a `Claim` and returns an `EffectResult`, which is applied as a command in the transaction that settles it.
"""
