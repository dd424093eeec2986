"""The vault of the backups: what it must be able to do, and which one a URL means."""

from pathlib import Path
from typing import Protocol

from workers.adapters.adapter_urls import folder_of
from workers.adapters.backup_stores.folder import FolderBackupStore
from workers.storage.site_content import Removed, Snapshot, Stored
from workers.storage.site_limits import DEFAULT_LIMITS, SiteLimits

__all__ = ["BackupStore", "Removed", "Snapshot", "Stored", "open_backup_store"]


class BackupStore(Protocol):
    """Every call may be made twice, and then equals one. Raises `Permanent` and `Temporary`."""

    def save(self, site_id: str, backup_id: str, snapshot: Snapshot) -> Stored:
        """Write a backup: whole or not at all."""

    def verify(self, site_id: str, backup_id: str) -> Stored:
        """Read a backup back from the store: every byte, unpacked, its databases opened and checked."""

    def extract(self, site_id: str, backup_id: str, into: Path, home: str = "") -> list[str]:
        """Unpack a backup into a new folder that will be `home`; returns what was not made again."""

    def tidy(self, site_id: str, backup_id: str) -> None:
        """Remove what a try that died, or whose clean-up failed, left beside a backup; the backup itself stays."""

    def remove(self, site_id: str, backup_id: str) -> Removed:
        """Take one backup away."""

    def remove_all(self, site_id: str) -> Removed:
        """Take all of a site's backups away, half-written ones included."""

    def remains(self, site_id: str) -> list[str]:
        """Look independently for anything that is left; empty means nothing."""

    def writable(self) -> None:
        """Raise with the remedy if backups can't be written."""


def open_backup_store(url: str, data_dir: Path, limits: SiteLimits = DEFAULT_LIMITS) -> BackupStore:
    """Choose by the URL's scheme; raises `ValueError` that names the setting, its value and the remedy."""
    return FolderBackupStore(folder_of("TENURE_BACKUPS_URL", url, data_dir) / "backups", limits)
