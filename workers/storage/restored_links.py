"""Symbolic links of a site that is being restored: what they say, and whether they stay in the site."""

import os
from contextlib import suppress

from workers.storage.archive_format import Record
from workers.storage.site_tree import open_below, opened

MOST_HOPS = 40
"""The system follows no more links either."""

SHORT = 4000
"""In bytes: paths that the system takes at once."""


class SiteLinks:
    """The links of one site. `top` is its open folder, where nobody else writes; `home` the path that it will have."""

    def __init__(self, top: int, home: str) -> None:
        self._top = top
        self._home = home.rstrip("/")

    def text(self, record: Record) -> str:
        """Say what a link has to say: one that named the site's own folder names the folder of now."""
        if not record.in_site:
            return record.target
        if self._home:
            return f"{self._home}/{record.target}"
        return "../" * record.path.count("/") + record.target

    def leads_out(self, record: Record) -> bool:
        """Whether a link leaves the site on its way, by its own words or by links that it meets."""
        here = [] if record.in_site else list(record.key[:-1])
        todo = record.target.split("/")[::-1]
        if record.target.startswith("/") and not record.in_site:
            return True
        for _ in range(MOST_HOPS):
            target = self._next_link(here, todo)
            if target is None:
                return False
            if target == OUTSIDE:
                return True
            if target.startswith("/"):
                if not self._home or not target.startswith(f"{self._home}/"):
                    return True
                here, target = [], target[len(self._home) + 1 :]
            todo += target.split("/")[::-1]
        return False  # it goes round in circles, in the site

    def _next_link(self, here: list[str], todo: list[str]) -> str | None:
        """Go on to the next link on the way, and say what it says; None at the end, `OUTSIDE` above the site."""
        while todo:
            part = todo.pop()
            if part == "..":
                if not here:
                    return OUTSIDE
                here.pop()
            elif part not in {"", "."}:
                target = self._read(here, part)
                if target is not None:
                    return target
                here.append(part)
        return None

    def _read(self, here: list[str], name: str) -> str | None:
        """Read a link in a folder; None for anything else, and for nothing."""
        path = "/".join([*here, name])
        with suppress(OSError):
            if len(os.fsencode(path)) < SHORT:
                return os.readlink(path, dir_fd=self._top)
            with opened(open_below(self._top, here)) as folder:
                return os.readlink(name, dir_fd=folder)
        return None


OUTSIDE = "/.."
"""An absolute target that no link of a site can have kept."""
