"""A disk of a given size, for stores and for the database."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


class Disk:
    """A small disk of its own, which can be filled to its last byte."""

    def __init__(self, folder: Path, size: str) -> None:
        self.folder = folder
        folder.mkdir()
        must("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))

    def fill(self) -> None:
        with (self.folder / "ballast").open("wb", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                while self._takes(file, size):
                    pass

    def make_room(self) -> None:
        (self.folder / "ballast").unlink()

    def close(self) -> None:
        must("umount", "--lazy", str(self.folder))

    @staticmethod
    def _takes(file, size):
        try:
            return file.write(bytes(size)) == size
        except OSError:
            return False


def must(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr.strip()}"


@pytest.fixture
def small_disk(request, tmp_path):
    """A disk of 8 MB. Who may not mount one runs the test in a user namespace of its own, where one may."""
    if os.geteuid() != 0:
        must("unshare", "-Urm", sys.executable, "-m", "pytest", "-q", f"{request.node.path}::{request.node.name}")
        pytest.skip("done in a user namespace of its own")
    disk = Disk(tmp_path / "disk", "8m")
    yield disk
    disk.close()
