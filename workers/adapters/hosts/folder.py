"""The embedded host: each site is a folder with a SQLite help desk and its attachments; its marker stands outside.

Beside the folders of the sites stands `.markers`. Beside a site's folder stand, hidden and only while something is
done: `.<site id>.new` (being built), `.restore` (to be swapped in, then the old content), `.before` (the old content,
where folders can't change places in one step), `.gone` (being removed) and `.snapshot` (copies of databases).
"""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from errno import EXDEV
from pathlib import Path
from typing import Any

from workers.adapters.hosts import marker_copy
from workers.adapters.hosts.adoption import Ask, adopt
from workers.adapters.hosts.agent_counts import AgentCounts
from workers.adapters.hosts.exchange import exchange
from workers.adapters.hosts.marker import FOLDER, Marker, Markers, copy_of, identity
from workers.adapters.hosts.scratch import lent
from workers.adapters.hosts.snapshot import FolderSnapshot
from workers.base.errors import Permanent
from workers.base.fault_points import fault_point
from workers.storage.atomic_files import (
    check_writable,
    explained,
    is_there,
    make_folder,
    mode_of,
    remove,
    sync,
    sync_tree,
)
from workers.storage.removal import must_hold_no_mounts
from workers.storage.site_content import DATABASE, Removed, Snapshot, checked_site
from workers.storage.site_limits import DEFAULT_LIMITS, Allowance, SiteLimits
from workers.storage.sqlite_file import make_helpdesk


class FolderHost:
    """Sites as folders under one root; one thing at a time is done to a site, other sites go on."""

    def __init__(self, root: Path, limits: SiteLimits = DEFAULT_LIMITS) -> None:
        self._root = root
        self._limits = limits
        self._agents = AgentCounts(root)
        self._markers = Markers(root)

    def provision(self, site_id: str, *, hostname: str, email: str, agents: int, key: str) -> None:  # noqa: ARG002
        """Build a site aside and give it its name when it is whole; one that is there is left as it is."""
        with explained(self._root):
            live = self._live(site_id)
            if is_there(live) and not _is_empty(live):
                self._markers.of(site_id, live)
                return
            new = self._beside(site_id, "new")
            remove(new)
            make_folder(new / "attachments")
            fault_point("provision.begun")
            make_helpdesk(new / DATABASE, email)
            mark = self._markers.bound(Marker(site_id, hostname, online=False, agents=agents), new)
            marker_copy.hand_out(new, copy_of(mark))
            sync_tree(new)
            self._markers.write(mark)
            fault_point("provision.built")
            new.rename(live)
            fault_point("provision.named")
            sync(self._root)

    def bring_online(self, site_id: str, *, key: str) -> None:  # noqa: ARG002
        """Let the help desk answer its users."""
        self._change(site_id, online=True)

    def take_offline(self, site_id: str, *, key: str) -> None:  # noqa: ARG002
        """Close the help desk; the content stays. A site that is not there is offline."""
        with explained(self._root):
            if is_there(self._live(site_id)):
                self._change(site_id, online=False)

    def set_agent_limit(self, site_id: str, agents: int, *, key: str) -> None:  # noqa: ARG002
        """Write down how many agents the help desk may have: none is locked out, none is added above it."""
        self._change(site_id, agents=agents)

    def used_agents(self, site_id: str) -> int | None:
        """Count the active agents; None when there is no site. Raises `Unusable` when its database can't be read."""
        with explained(self._root):
            return self._agents.count(site_id, self._live(site_id))

    @contextmanager
    def snapshot(self, site_id: str) -> Iterator[Snapshot]:
        """Look at a site as it is now; the copies of its databases are removed afterwards."""
        live = self._live(site_id)
        with explained(live):
            self._markers.of(site_id, live)
        with lent(self._beside(site_id, "snapshot")) as scratch:
            with explained(live):
                snapshot = FolderSnapshot(site_id, live, scratch, Allowance(self._limits))
            fault_point("snapshot.taken")
            yield snapshot

    def beside(self, site_id: str) -> Path:
        """Say where to put the content that `replace` is to swap in: nothing is there yet."""
        with explained(self._root):
            must_hold_no_mounts(self._live(site_id))  # it is to be removed when the new content stands in its place
            self._forget_swap(site_id)
            remove(self._beside(site_id, "restore"))
            return self._beside(site_id, "restore")

    def home(self, site_id: str) -> str:
        """Say where the live content stands."""
        return str((self._root / checked_site(site_id)).absolute())

    def replace(self, site_id: str, folder: Path, *, key: str) -> None:
        """Swap in new content; online or not, the limit and the name stay as they are now.

        Killed anywhere, the site is the old or the new one, whole; called again, it finishes.
        """
        with explained(self._root):
            live = self._live(site_id)
            mark = self._markers.of(site_id, live)
            if mark.replaced != key:
                must_hold_no_mounts(live)
                self._swap_in(folder, mark, live, key)
            remove(folder)
            self.tidy(site_id)
            fault_point("restore.replaced")

    def tidy(self, site_id: str) -> None:
        """Remove the content that `replace` has swapped out, and what was prepared for it."""
        with explained(self._root):
            if is_there(self._live(site_id)):
                remove(self._beside(site_id, "restore"))
                remove(self._beside(site_id, "before"))

    def is_replaced(self, site_id: str, *, key: str) -> bool:
        """Whether the last content that was swapped in came with this key."""
        with explained(self._root):
            return self._markers.of(site_id, self._live(site_id)).replaced == key

    def remove(self, site_id: str, *, key: str) -> Removed:  # noqa: ARG002
        """Take a site away, only if its marker says that it is this one; raises `Permanent` if not.

        Raises `Mounted` when something is mounted in it: then nothing has been touched.
        """
        with explained(self._root):
            live = self._live(site_id)
            gone = self._beside(site_id, "gone")
            for path in (live, *self._leftovers(site_id)):
                must_hold_no_mounts(path)
            removed = self._remove_leftovers(site_id)
            if is_there(live):
                self._markers.of(site_id, live)
                live.rename(gone)
                sync(self._root)
                fault_point("delete.set_aside")
                removed += remove(gone)
            if is_there(self._root):
                sync(self._root)
            fault_point("delete.emptied")
            self._markers.remove(site_id)
            return removed

    def remains(self, site_id: str) -> list[str]:
        """Name whatever is left of a site; empty means nothing."""
        with explained(self._root):
            live = self._root / checked_site(site_id)
            own = [live] if is_there(live) else []
            found = [path.name for path in own + self._leftovers(site_id)]
            found += [f"{FOLDER}/{name}" for name in self._markers.left(site_id)]
            return [f"{self._root.name}/{name}" for name in found]

    def take_over(self, ask: Ask) -> None:
        """Make the markers of sites that version 0.1 has built; `ask` gives what the database knows of some ids."""
        with explained(self._root):
            adopt(self._root, ask)

    def writable(self) -> None:
        """Raise `Temporary`, with the remedy, if sites can't be written."""
        check_writable(self._root)

    def _live(self, site_id: str) -> Path:
        """A site's folder, after putting back one that was about to be replaced when the machine stopped."""
        live = self._root / checked_site(site_id)
        mode = mode_of(live)
        if mode is None:
            before = self._beside(site_id, "before")
            is_ours = self._markers.find(site_id) is not None or marker_copy.find(before) is not None
            if is_there(before) and is_ours:
                before.rename(live)
        elif stat.S_ISLNK(mode):
            raise Permanent(f"{live} is a link: put the site's folder itself there")
        return live

    def _beside(self, site_id: str, word: str) -> Path:
        return self._root / f".{checked_site(site_id)}.{word}"

    def _leftovers(self, site_id: str) -> list[Path]:
        begins = f".{checked_site(site_id)}."
        found = self._root.iterdir() if is_there(self._root) else ()  # a glob takes what it can't read for empty
        return sorted(path for path in found if path.name.startswith(begins))

    def _remove_leftovers(self, site_id: str) -> Removed:
        left = self._leftovers(site_id)
        self._markers.must_be_free(site_id, left)
        return sum((remove(path) for path in left), Removed())

    def _change(self, site_id: str, **facts: Any) -> None:
        with explained(self._root):
            live = self._live(site_id)
            now = self._markers.of(site_id, live)
            new = replace(now, **facts)
            if new != now:
                self._markers.write(new)
            marker_copy.hand_out(live, copy_of(new))

    def _take(self, folder: Path, restore: Path) -> None:
        """Give the new content its place beside the live site."""
        if not folder.is_dir() or folder.is_symlink():
            raise Permanent(f"{folder} is not a folder with content: the site stays as it is")
        if folder == restore:
            return
        remove(restore)
        try:
            folder.rename(restore)
        except OSError as wrong:
            if wrong.errno != EXDEV:
                raise
            raise Permanent(f"{folder} is on another disk than the site: ask the host where it belongs") from wrong

    def _swap_in(self, folder: Path, mark: Marker, live: Path, key: str) -> None:
        """Swap content in; what is to stand where is written down before, for whoever comes after a crash."""
        restore, swapped = self._beside(mark.site, "restore"), replace(mark, replaced=key)
        self._take(folder, restore)
        remove(restore / marker_copy.NAME)
        marker_copy.hand_out(restore, copy_of(swapped))
        sync_tree(restore)
        self._markers.write(replace(self._markers.bound(mark, live), swapping=key, swapping_to=identity(restore)))
        fault_point("restore.swapping")
        self._swap(mark.site, restore, live)
        fault_point("restore.swapped")
        self._markers.write(self._markers.bound(swapped, live))
        fault_point("restore.settled")

    def _forget_swap(self, site_id: str) -> None:
        """Forget a swap that did not take place: another folder may get the identity of its content."""
        mark = self._markers.find(site_id)
        live = self._root / site_id
        if mark is not None and mark.swapping is not None and identity(live) not in {None, mark.swapping_to}:
            self._markers.write(self._markers.bound(mark, live))

    def _swap(self, site_id: str, restore: Path, live: Path) -> None:
        """Change places in one step, or in two that `_live` can undo."""
        if not exchange(restore, live):
            before = self._beside(site_id, "before")
            remove(before)
            live.rename(before)
            restore.rename(live)
        sync(self._root)


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and next(folder.iterdir(), None) is None
