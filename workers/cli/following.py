"""`tenure tail`: the stream of events, live."""

import json
from collections.abc import Iterator
from typing import Any

from workers.context import Context
from workers.queue.redis_keys import EVENTS


def follow(context: Context, site_id: str | None) -> Iterator[dict[str, Any]]:
    """Every event from now on, of one site or of all; it never ends by itself."""
    last: Any = "$"
    while True:
        found: Any = context.redis.xread({EVENTS: last}, block=5000, count=100)
        for entry_id, fields in found[0][1] if found else ():
            last = entry_id
            body: dict[str, Any] = json.loads(fields[b"event"])
            if site_id in {None, body["data"].get("site_id")}:
                yield body
