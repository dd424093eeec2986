"""A site of 1 GB backed up and verified, against `tar | zstd -3` on the same folder, each in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from workers.adapters.backup_store import open_backup_store
from workers.adapters.host import open_host

SITE = "site_bench"
FILES = 1000
MEGABYTE = 1 << 20


def pairs(runs: int) -> list[tuple[dict[str, float], dict[str, float]]]:
    """Ours and the baseline, one after the other: seconds and the peak of memory of each."""
    with TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        build(Path(folder))
        return [(_measured("ours", folder), _measured("baseline", folder)) for _ in range(runs)]


def _measured(what: str, folder: str) -> dict[str, float]:
    """One run in a fresh process."""
    words = [sys.executable, "-m", "tests.bench.backup", what, folder]
    found: dict[str, float] = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    return found


def build(data_dir: Path) -> None:
    """A thousand attachments of 1 MiB, half of each text and half of it noise, as attachments are."""
    host = open_host("file:", data_dir)
    host.provision(SITE, hostname="bench.example.com", email="owner@bench.example", agents=5, key="bench")
    folder = data_dir / "sites" / SITE / "attachments"
    text = b"".join(b"ticket %d was answered and closed\n" % number for number in range(MEGABYTE // 60))[
        : MEGABYTE // 2
    ]
    for number in range(FILES):
        (folder / f"{number}.bin").write_bytes(text + os.urandom(MEGABYTE - len(text)))


def ours(data_dir: Path) -> None:
    """Save and read back, as the nightly backup does."""
    host, vault = open_host("file:", data_dir), open_backup_store("file:", data_dir)
    with host.snapshot(SITE) as snapshot:
        vault.save(SITE, "bkp_bench", snapshot)
    vault.verify(SITE, "bkp_bench")


def baseline(data_dir: Path) -> None:
    """What a shell would do, and no more: no checksums, no reading back, no databases opened."""
    target = data_dir / "baseline.tar.zst"
    tar = subprocess.Popen(["tar", "-cf", "-", "-C", str(data_dir / "sites"), SITE], stdout=subprocess.PIPE)
    subprocess.run(_compressor(), stdin=tar.stdout, stdout=target.open("wb"), check=True)
    if tar.wait() != 0:
        raise RuntimeError("tar failed")
    target.unlink()


def _compressor() -> list[str]:
    """The program `zstd` where there is one, else the same library at the same level."""
    if shutil.which("zstd"):
        return ["zstd", "-3", "-q", "-c"]
    code = "import sys, zstandard; zstandard.ZstdCompressor(level=3).copy_stream(sys.stdin.buffer, sys.stdout.buffer)"
    return [sys.executable, "-c", code]


def main(what: str, data_dir: str) -> None:
    """Run one of the two and print its seconds and the peak of its memory in MB."""
    began = time.monotonic()
    {"ours": ours, "baseline": baseline}[what](Path(data_dir))
    sys.stdout.write(json.dumps({"seconds": time.monotonic() - began, "peak_mb": peak_mb()}))


def peak_mb() -> float:
    """Of this program alone: what `getrusage` tells has also seen the process that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main(*sys.argv[1:])
