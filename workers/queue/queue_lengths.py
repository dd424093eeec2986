"""How long the queues are, and since when the message at the head of each waits."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from models.clock import machine_now
from workers.queue.broker import QUEUES
from workers.queue.message import LONGEST

if TYPE_CHECKING:
    import redis

BELIEVABLE = timedelta(days=7)
"""A message that says that it is older, or of tomorrow, says nothing: other systems write these numbers."""

LOOK = """
local found = {}
for _, list in ipairs(KEYS) do
  local count, body = redis.pcall("llen", list), ""
  if type(count) ~= "number" then count = 0 end
  local id = count > 0 and redis.call("lindex", list, 0)
  local length = id and redis.pcall("hstrlen", list .. ".msgs", id)
  if type(length) == "number" and length > 0 and length <= tonumber(ARGV[1]) then
    body = redis.call("hget", list .. ".msgs", id)
  end
  table.insert(found, count)
  table.insert(found, body)
end
return found
"""
"""The length of each list and the body at its head. A key of another type counts as empty; a huge body stays there."""


@dataclass(frozen=True, slots=True)
class QueueLength:
    """How many messages wait, and since when the first of them does; None when none waits, or it does not say."""

    count: int
    since: datetime | None


def look(client: "redis.Redis") -> dict[str, QueueLength]:
    """The queues by name, in one call."""
    keys = [f"dramatiq:{queue}" for queue in QUEUES]
    found: Any = client.eval(LOOK, len(keys), *keys, LONGEST)
    now = machine_now()
    return {
        queue: QueueLength(int(count), _since(body, now))
        for queue, count, body in zip(QUEUES, found[::2], found[1::2], strict=True)
    }


def _since(body: bytes, now: datetime) -> datetime | None:
    """When a message was sent, by its own word."""
    try:
        said = json.loads(body)["message_timestamp"]
        at = datetime.fromtimestamp(said / 1000, UTC)
    except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError):
        return None
    return at if now - BELIEVABLE < at < now + BELIEVABLE else None
