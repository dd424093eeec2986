"""Whether the disks that hold our folders have room."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.engine import make_url

from workers.base.settings import Settings
from workers.health.check import Finding, failure, warning, well

SCARCE, FULL = 1 << 30, 64 << 20
"""Bytes free in a store from which it is a warning and a failure."""


def judge(settings: Settings) -> Iterator[Finding]:
    """Each folder by its name."""
    for folder in sorted(folders(settings)):
        yield room(folder, shutil.disk_usage(folder).free)


def folders(settings: Settings) -> set[Path]:
    """The folders of ours that can run full: what the settings name, where it is there already."""
    urls = (settings.host_url, settings.backups_url, settings.payments_url, settings.mail_url)
    named = {Path(url.removeprefix("file:").removeprefix("//")) for url in urls if url.startswith("file:/")}
    if settings.database_url.startswith("sqlite"):
        named.add(Path(make_url(settings.database_url).database or "").parent)
    return {folder for folder in {settings.data_dir, *named} if folder.is_dir()}


def room(folder: Path, free: int) -> Finding:
    """Judge the bytes that are free in a folder."""
    what, shown = f"space in {folder}", f"{free >> 20} MiB free"
    if free >= SCARCE:
        return well(what, shown)
    return (failure if free < FULL else warning)(what, shown, "a full disk stops all work: make room")
