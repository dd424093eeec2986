"""The tests of the engine stand in tests/engine; this name stays for tests that still import from here."""

from tests.engine.lab import DAY, HOUR, POLICY, STANDINGS, T0, TICK, Lab, at

__all__ = ["DAY", "HOUR", "POLICY", "STANDINGS", "T0", "TICK", "Lab", "at"]
