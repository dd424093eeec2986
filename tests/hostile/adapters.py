"""The adapters that hostile content is tried on: made from a data folder, and driven by their protocols."""

from dataclasses import dataclass
from pathlib import Path

from workers.adapters.backup_store import BackupStore, open_backup_store
from workers.adapters.export_store import ExportStore
from workers.adapters.host import Host, open_host


@dataclass(frozen=True)
class Adapters:
    """One host, one vault and the downloads; `site` says where a customer writes."""

    data_dir: Path
    host: Host
    vault: BackupStore
    downloads: ExportStore

    def site(self, site_id: str) -> Path:
        return self.data_dir / "sites" / site_id


def folders(data_dir: Path) -> Adapters:
    """The embedded adapters."""
    return Adapters(data_dir, open_host("file:", data_dir), open_backup_store("file:", data_dir), ExportStore(data_dir))


KINDS = {"folders": folders}
"""By name, for the process that does the acts."""
