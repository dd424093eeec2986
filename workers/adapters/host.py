"""The host of the live sites: what it must be able to do, and which one a URL means."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from workers.adapters.adapter_urls import folder_of
from workers.adapters.hosts.adoption import Ask
from workers.adapters.hosts.folder import FolderHost
from workers.storage.site_content import Entry, Removed, Snapshot
from workers.storage.site_limits import DEFAULT_LIMITS, SiteLimits

__all__ = ["Entry", "Host", "Removed", "Snapshot", "open_host"]


class Host(Protocol):
    """Every call may be made twice with the same key, and then equals one.

    Raises `Permanent`, `Temporary`, and `Mounted` where an operator's mount would be taken away; one call at a time is
    made for a site.
    """

    def provision(self, site_id: str, *, hostname: str, email: str, agents: int, key: str) -> None:
        """Build a site, offline, with its owner as the one agent; whatever is there is never overwritten."""

    def bring_online(self, site_id: str, *, key: str) -> None:
        """Open the site to its users."""

    def take_offline(self, site_id: str, *, key: str) -> None:
        """Close the site to its users; the content stays."""

    def set_agent_limit(self, site_id: str, agents: int, *, key: str) -> None:
        """Allow so many agents; nobody is locked out."""

    def used_agents(self, site_id: str) -> int | None:
        """Count the active agents; None when there is no site."""

    def snapshot(self, site_id: str) -> AbstractContextManager[Snapshot]:
        """Look at a site as it is now, to copy it; what the look needed is cleaned up afterwards."""

    def beside(self, site_id: str) -> Path:
        """Say where `replace` wants its content: a path where nothing is, beside the live site."""

    def home(self, site_id: str) -> str:
        """Say which absolute path the content has once it is live, for links that name it; "" if none is known."""

    def replace(self, site_id: str, folder: Path, *, key: str) -> None:
        """Swap in new content atomically: never plan, limit, online or name. The folder is used up."""

    def is_replaced(self, site_id: str, *, key: str) -> bool:
        """Whether `replace` has swapped with this key already, and nothing else since."""

    def tidy(self, site_id: str) -> None:
        """Finish the clean-up after a `replace`: nothing of the content before is left, nor of what was prepared."""

    def remove(self, site_id: str, *, key: str) -> Removed:
        """Take a site away for ever, only if its own marker says that it is this one."""

    def remains(self, site_id: str) -> list[str]:
        """Look independently for anything that is left; empty means nothing."""

    def take_over(self, ask: Ask) -> None:
        """At each start: bring what an older version has left to what this one expects; twice changes nothing."""

    def writable(self) -> None:
        """Raise with the remedy if sites can't be written."""


def open_host(url: str, data_dir: Path, limits: SiteLimits = DEFAULT_LIMITS) -> Host:
    """Choose by the URL's scheme; raises `ValueError` that names the setting, its value and the remedy."""
    return FolderHost(folder_of("TENURE_HOST_URL", url, data_dir) / "sites", limits)
