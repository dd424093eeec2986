"""What time makes due.

`fire` applies due timers, `sweep` offers again what was lost, `audit` compares the hosts with the facts.
"""
