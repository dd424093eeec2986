"""The clock: wakes the engine when time makes something due."""
