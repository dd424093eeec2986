"""Folders that a customer could make to harm whoever reads, copies or removes them."""

import os
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

LINKS = 30_000
"""Of one file: no disk that we know allows fewer."""


def deep(folder, levels, name="d", bottom=b"at the bottom"):
    """Make a chain of folders by descriptors, far beyond PATH_MAX, with a file in the last one."""
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    with os.fdopen(os.open("bottom", os.O_WRONLY | os.O_CREAT, dir_fd=here), "wb") as file:
        file.write(bottom)
    os.close(here)


def remove(folder):
    """Remove what was made: pytest's own removal gives up in deep folders."""
    subprocess.run(["rm", "-rf", "--one-file-system", folder], check=True)


def flat(folder, count):
    """Make so many empty entries in one folder: mostly hard links, which cost no inodes."""
    folder.mkdir()
    for number in range(count):
        if number % LINKS == 0:
            first = folder / f"{number:x}"
            first.touch()
        else:
            os.link(first, folder / f"{number:x}")


def sparse(path, size):
    """Make a file that says it has so many bytes, and takes none."""
    with path.open("wb") as file:
        file.truncate(size)


def specials(folder):
    """Make a pipe, a socket and, as root, a device."""
    os.mkfifo(folder / "pipe")
    here = Path.cwd()
    os.chdir(folder)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    os.chdir(here)
    if os.geteuid() == 0:
        os.mknod(folder / "device", 0o20600, os.makedev(1, 3))


@contextmanager
def mounted(source, target):
    """Bind one folder or file to another place of the same disk (as root)."""
    subprocess.run(["mount", "--bind", source, target], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", target], check=True)


def can_mount(tmp_path):
    """Whether this machine lets us mount."""
    for name in ("from", "to"):
        (tmp_path / name).mkdir()
    if os.geteuid() != 0:
        return False
    done = subprocess.run(["mount", "--bind", tmp_path / "from", tmp_path / "to"], check=False, capture_output=True)
    if done.returncode == 0:
        subprocess.run(["umount", tmp_path / "to"], check=True)
    return done.returncode == 0
