"""One effect: claim it, act outside of any transaction, settle it.

`executor` knows no kind: `registry` names the handler of each, and every handler stands in a module of its own. It
gets a `Claim` and returns an `EffectResult`, which is applied as a command in the transaction that settles it.
"""
