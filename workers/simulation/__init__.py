"""Years in seconds: the same law under a virtual clock, a seeded population, and a checker that knows no code."""
