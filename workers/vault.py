"""The vault of the backups: what it must be able to do, and which one a URL means."""

from pathlib import Path
from typing import Protocol

from workers.content import Removed, Snapshot, Stored
from workers.place import folder_of
from workers.site_limits import DEFAULT_LIMITS, SiteLimits
from workers.vaults.folder import FolderVault

__all__ = ["Removed", "Snapshot", "Stored", "Vault", "open_vault"]


class Vault(Protocol):
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


def open_vault(url: str, data_dir: Path, limits: SiteLimits = DEFAULT_LIMITS) -> Vault:
    """Choose by the URL's scheme; raises `ValueError` that names the setting, its value and the remedy."""
    return FolderVault(folder_of("TENURE_BACKUPS_URL", url, data_dir) / "backups", limits)
