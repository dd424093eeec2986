"""The adapters that hostile content is tried on: made from a data folder, and driven by their protocols."""

from dataclasses import dataclass
from pathlib import Path

from workers.download import Downloads
from workers.host import Host, open_host
from workers.vault import Vault, open_vault


@dataclass(frozen=True)
class Adapters:
    """One host, one vault and the downloads; `site` says where a customer writes."""

    data_dir: Path
    host: Host
    vault: Vault
    downloads: Downloads

    def site(self, site_id: str) -> Path:
        return self.data_dir / "sites" / site_id


def folders(data_dir: Path) -> Adapters:
    """The embedded adapters."""
    return Adapters(data_dir, open_host("file:", data_dir), open_vault("file:", data_dir), Downloads(data_dir))


KINDS = {"folders": folders}
"""By name, for the process that does the acts."""
