"""`make bench`: five runs, median, min and max; a table, and the same as JSON with machine and versions."""

import json
import os
import platform
import statistics
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench import backup

RUNS = 5
FIGURES = Path("bench.json")


def backup_ratio() -> dict[str, Any]:
    """The speed of a verified backup as a share of the baseline's, and the highest memory of any run."""
    with TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        backup.build(Path(folder))
        runs = [(measure("baseline", folder), measure("ours", folder)) for _ in range(RUNS)]
    ratios = [base["seconds"] / own["seconds"] for base, own in runs]
    return {
        "figure": "1 GB backed up and read back, speed against tar | zstd -3",
        "median": statistics.median(ratios),
        "min": min(ratios),
        "max": max(ratios),
        "peak_mb": max(own["peak_mb"] for _, own in runs),
        "seconds": [own["seconds"] for _, own in runs],
        "baseline_seconds": [base["seconds"] for base, _ in runs],
    }


def measure(what: str, folder: str) -> dict[str, float]:
    """One run in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.backup", what, folder], capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure, print, write."""
    figures = [backup_ratio()]
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "zstandard": version("zstandard")}
    for one in figures:
        sys.stdout.write(
            f"{one['figure']}: {one['median']:.2f} × (min {one['min']:.2f}, max {one['max']:.2f}), "
            f"at most {one['peak_mb']:.0f} MB\n"
        )
    FIGURES.write_text(
        json.dumps({"schema": "tenure/bench/1", "machine": machine, "figures": figures}, indent=2) + "\n"
    )
    sys.stdout.write(f"{FIGURES}\n")


if __name__ == "__main__":
    main()
