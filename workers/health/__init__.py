"""Is all well: the checks of `tenure doctor`, the two probes, the preflight of a start, and what processes report."""
