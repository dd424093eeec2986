"""The picture of a life in the README: real log lines of one site. `python -m tests.picture` draws docs/life.svg."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import structlog
from rich.console import Console
from rich.text import Text
from structlog.typing import EventDict, WrappedLogger

from models.timestamps import stamp
from tests.readme import first_world, fixed_id
from workers.base import logs
from workers.base.log_formats import console_in_colour, in_order

PICTURE = Path(__file__).parent.parent / "docs" / "life.svg"
COLUMNS = 122
LINES_OF_A_NIGHT = 2
SHOWN = frozenset({"site", "from", "to", "command", "effect", "code"})
"""Keys that stand in the picture; ids, durations and process numbers differ from run to run."""

STORY = """30 days free, subscribed on day 12, a card that fails, a cancellation, and a deletion that can be proved"""


class Lines:
    """Takes the place of the log's last processor: keeps each event as the line that a terminal would show."""

    def __init__(self) -> None:
        self.world: Any = None
        self.lines: list[str] = []
        self.nights = 0

    def __call__(self, logger: WrappedLogger, level: str, event: EventDict) -> EventDict:
        """Keep one line, without what differs from run to run."""
        shown = {key: value for key, value in in_order(event).items() if key in SHOWN}
        if not self._is_another_night(shown):
            head = {"ts": stamp(self.world.now), "level": level, "msg": event["event"]}
            self.lines.append(console_in_colour(logger, level, {**head, **shown}))
        raise structlog.DropEvent

    def _is_another_night(self, shown: dict[str, Any]) -> bool:
        """Of the nightly backups only the first is kept; the other backup of this life is the final one."""
        is_night = shown.get("command") == "site.back_up_nightly" or shown.get("effect") == "back_up"
        if not is_night or self.world.state() == "cancelled":
            return False
        self.nights += 1
        return self.nights > LINES_OF_A_NIGHT


def life() -> list[str]:
    """Live through one whole life under the test clock; the lines that the log had, in colour."""
    with TemporaryDirectory() as folder, fixed_id(), _kept_lines() as kept:
        world = kept.world = first_world(Path(folder))
        world.send("start_trial", account="acme", email="owner@acme.example")
        world.advance(days=12)
        world.send("subscribe", agents=7, payment_method="pm_visa")
        world.advance(days=30)
        world.send("change_plan", agents=9)
        world.send("update_payment", payment_method="pm_declined")
        world.advance(days=19)
        world.send("update_payment", payment_method="pm_visa")
        world.send("cancel")
        world.send("change_plan", agents=12)
        world.advance(days=15)
        world.close()
    return kept.lines


@contextmanager
def _kept_lines() -> Iterator[Lines]:
    kept = Lines()
    structlog.configure(processors=[kept], wrapper_class=structlog.make_filtering_bound_logger(20))
    try:
        yield kept
    finally:
        logs.configure("json", StringIO())


def draw(lines: list[str]) -> str:
    """The lines as an SVG image of a terminal."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), color_system="truecolor", force_terminal=True)
    for line in lines:
        console.print(Text.from_ansi(line), no_wrap=True, overflow="ellipsis", crop=True)
    return console.export_svg(title=f"tenure up: {STORY}", unique_id="life")


def text_of_lines(lines: list[str]) -> list[str]:
    """What the picture of these lines says."""
    return text_of(draw(lines))


def text_of(svg: str) -> list[str]:
    """What an SVG says, line by line: its pieces of one height, from left to right, without runs of spaces."""
    rows: dict[str, list[str]] = {}
    for clip, piece in re.findall(r'clip-path="url\(#life-line-(\d+)\)">([^<]*)</text>', svg):
        rows.setdefault(clip, []).append(unescape(piece).replace("\xa0", " "))
    return [" ".join("".join(pieces).split()) for pieces in rows.values()]


if __name__ == "__main__":
    PICTURE.write_text(draw(life()))
    sys.stdout.write(f"{PICTURE.name} is fresh\n")
