"""A folder for each site that holds whole files: backups in one room, downloads in another."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from workers.base.errors import Permanent
from workers.base.fault_points import fault_point
from workers.storage.atomic_files import check_writable, explained, is_there, make_folder, remove, sync
from workers.storage.site_content import Removed, checked_item, checked_site


@dataclass(frozen=True, slots=True)
class ItemStore:
    """Files `<site id>/<item id><suffix>` under `root`. `owner` reads from a file whose it says it is, if it does.

    Beside a file stand, hidden and only while something is done, `.<item id>.<random>.part` and `.scratch`.
    """

    root: Path
    suffix: str
    owner: Callable[[Path], str | None]

    def place(self, site_id: str, item_id: str) -> Path:
        """Say where an item stands, or would."""
        return self._folder(site_id) / f"{checked_item(item_id)}{self.suffix}"

    @contextmanager
    def adding(self, site_id: str, item_id: str) -> Iterator[IO[bytes]]:
        """Open a draft that takes its place, whole and on the disk, if all went well."""
        place = self.place(site_id, item_id)
        with explained(place):
            make_folder(place.parent)
            self._clear(place)
            draft = self._beside(place, "part")
            try:
                with draft.open("x+b") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                fault_point("store.drafted", self.root.name)
                draft.replace(place)
                fault_point("store.placed", self.root.name)
            finally:
                draft.unlink(missing_ok=True)
            sync(place.parent)

    @contextmanager
    def scratch(self, site_id: str, item_id: str) -> Iterator[Path]:
        """Lend a place for a folder beside an item; what stands there afterwards is removed."""
        place = self.place(site_id, item_id)
        with explained(place):
            self._clear(place)
            folder = self._beside(place, "scratch")
            try:
                yield folder
            finally:
                remove(folder)

    def tidy(self, site_id: str, item_id: str) -> None:
        """Take away what an earlier try left beside an item; the item stays."""
        place = self.place(site_id, item_id)
        with explained(place):
            self._clear(place)

    def remove(self, site_id: str, item_id: str) -> Removed:
        """Take an item away, and whatever an earlier try left beside it; raises `Permanent` if it is another site's."""
        place = self.place(site_id, item_id)
        with explained(place):
            self._refuse_foreign(site_id, place)
            removed = self._clear(place) + remove(place)
            self._drop_if_empty(place.parent)
            return removed

    def remove_all(self, site_id: str) -> Removed:
        """Take everything of a site away; one file that says it is another site's stops all of it."""
        with explained(self.root):
            folder = self._folder(site_id)
            if not is_there(folder):
                return Removed()
            for path in sorted(folder.iterdir()):
                self._refuse_foreign(site_id, path)
            removed = remove(folder)
            sync(self.root)
            return removed

    def remains(self, site_id: str) -> list[str]:
        """Name whatever is left of a site; empty means nothing."""
        folder = self.root / checked_site(site_id)
        with explained(folder):
            if not is_there(folder):
                return []
            inside = sorted(folder.iterdir()) if folder.is_dir() else []
            return [str(path.relative_to(self.root.parent)) for path in inside or [folder]]

    def writable(self) -> None:
        """Raise `Temporary`, with the remedy, if nothing can be put here."""
        check_writable(self.root)

    def _folder(self, site_id: str) -> Path:
        folder = self.root / checked_site(site_id)
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise Permanent(f"{folder} is no folder but a link or a file: put the site's folder itself there")
        return folder

    def _beside(self, place: Path, word: str) -> Path:
        item_id = place.name.removesuffix(self.suffix)
        return place.with_name(f".{item_id}.{secrets.token_hex(4)}.{word}")

    def _clear(self, place: Path) -> Removed:
        """Remove what a try that was killed left beside an item; a glob would take what it can't read for empty."""
        begins = f".{place.name.removesuffix(self.suffix)}."
        found = sorted(place.parent.iterdir()) if is_there(place.parent) else []
        return sum((remove(path) for path in found if path.name.startswith(begins)), Removed())

    def _drop_if_empty(self, folder: Path) -> None:
        """Remove a site's folder when nothing is in it any more."""
        if folder.is_dir():
            sync(folder)
            if next(folder.iterdir(), None) is None:
                folder.rmdir()
                sync(self.root)

    def _refuse_foreign(self, site_id: str, path: Path) -> None:
        owner = self.owner(path) if path.is_file() and not path.is_symlink() else None
        if owner is not None and owner != site_id:
            raise Permanent(
                f"{path} says that it is of {ascii(owner)[:80]}: it is left alone; move it where it belongs"
            )
