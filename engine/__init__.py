"""The law: one table of rules and the pure functions around it."""
