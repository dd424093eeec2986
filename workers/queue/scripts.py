"""The Lua that runs in Redis for queues, events and locks. `upkeep_scripts` has what looks after the rest of Redis.

The scripts of the queues name Dramatiq's keys themselves, from the namespace in KEYS[1], as Dramatiq's own script does.
"""

from typing import Any

import redis

MENDED = {
    b"local timestamp = ARGV[2]": b"""local t = redis.call("TIME")
local timestamp = t[1] * 1000 + math.floor(t[2] / 1000)""",
    b"""redis.call("smembers", dead_worker_queue_acks)""": b"""redis.pcall("smembers", dead_worker_queue_acks)""",
    b"""redis.call("keys", dead_worker_acks .. "*")""": (
        b"""i > 20 and {i} or redis.call("keys", dead_worker_acks .. "*")"""
    ),
}
"""What is changed in Dramatiq's script. Heartbeats use Redis's clock: a host whose clock is ahead would take living
workers for dead ones. A key of another type does not stop the maintenance. And KEYS, which reads every key, is called
for the first 20 dead workers only, however many names a stranger has put among the heartbeats."""

FETCH = """
local namespace, queue, worker = KEYS[1], ARGV[1], ARGV[2]
local list = namespace .. ":" .. queue
local acks = namespace .. ":__acks__." .. worker .. "." .. queue
local wanted, longest, most = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local t, fetched, bytes = redis.call("TIME"), {}, 0
redis.call("zadd", namespace .. ":__heartbeats__", t[1] * 1000 + math.floor(t[2] / 1000), worker)
while wanted > 0 and bytes < most do
  local ids = redis.call("lpop", list, math.min(wanted, 100))
  if not ids then break end
  wanted = wanted - #ids
  local taken, left = {}, {}
  for at, id in ipairs(ids) do
    if bytes >= most then
      table.insert(left, 1, id)
    else
      local length = redis.call("hstrlen", list .. ".msgs", id)
      if length > 0 or redis.call("hexists", list .. ".msgs", id) == 1 then
        table.insert(taken, id)
        table.insert(fetched, id)
        if length > longest then
          table.insert(fetched, length)
        else
          table.insert(fetched, redis.call("hget", list .. ".msgs", id))
          bytes = bytes + length
        end
      end
    end
  end
  if #taken > 0 then redis.call("sadd", acks, unpack(taken)) end
  if #left > 0 then redis.call("lpush", list, unpack(left)) end
end
return fetched
"""
"""Dramatiq's `fetch`, with three differences. It returns the ids too, so that an undecodable message can still be
dead-lettered. It drops an id without a body, and returns only the length of a body that is too long. And it stops
after ARGV[5] bytes: the rest stays in the queue."""

ENQUEUE = """
local list = KEYS[1] .. ":" .. ARGV[1]
for first = 2, #ARGV, 1000 do
  local last, ids = math.min(first + 999, #ARGV), {}
  for at = first, last, 2 do table.insert(ids, ARGV[at]) end
  redis.call("hset", list .. ".msgs", unpack(ARGV, first, last))
  redis.call("rpush", list, unpack(ids))
end
"""
"""Dramatiq's `enqueue` for many: ids and bodies in turn."""

NACK = """
local list, dead = KEYS[1] .. ":" .. ARGV[1] .. ".msgs", KEYS[1] .. ":" .. ARGV[2] .. ".XQ"
local acks, t = KEYS[1] .. ":__acks__." .. ARGV[3] .. "." .. ARGV[1], redis.call("TIME")
for at = 4, #ARGV do
  local body = redis.call("srem", acks, ARGV[at]) > 0 and redis.call("hget", list, ARGV[at])
  if body then
    redis.call("zadd", dead, t[1] * 1000 + math.floor(t[2] / 1000), ARGV[at])
    redis.call("hset", dead .. ".msgs", ARGV[at], body)
    redis.call("hdel", list, ARGV[at])
  end
end
"""
"""Dramatiq's `nack` for many."""

ACK = """
local acks = KEYS[1] .. ":__acks__." .. ARGV[2] .. "." .. ARGV[1]
local ours, settled = redis.call("smismember", acks, unpack(ARGV, 3)), {}
for at, is_ours in ipairs(ours) do
  if is_ours == 1 then table.insert(settled, ARGV[at + 2]) end
end
if #settled == 0 then return end
redis.call("srem", acks, unpack(settled))
redis.call("hdel", KEYS[1] .. ":" .. ARGV[1] .. ".msgs", unpack(settled))
"""
"""Dramatiq's `ack` for many (a few thousand at most). One that was offered to another worker meanwhile is left."""

PUBLISH = """
if redis.call('exists', KEYS[1]) == 0 then return 0 end
for at = 2, #ARGV, 2 do
  local id = redis.call('xadd', KEYS[1], '*', 'event', ARGV[at + 1])
  if ARGV[at] ~= '' then
    if type(redis.pcall('sadd', ARGV[at], id)) == 'number' then redis.call('expire', ARGV[at], ARGV[1]) end
  end
end
return 1
"""
"""Append events to the stream KEYS[1], all of them or none: 0 when the stream does not exist.

ARGV: seconds to keep a set, then for each event the set of entries that hold an address (or an empty text) and its
body. With that set the erasure of a customer need not read the whole stream. Where a key of another type stands,
nothing is added to it: the erasure finds that and reads the whole stream.
"""

RELEASE_LOCK = """
if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end
return 0
"""
"""Release the lock KEYS[1] if the token ARGV[1] still holds it."""

KEEP_LOCK = """
local holder = redis.call("get", KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call("set", KEYS[1], ARGV[1], "ex", ARGV[2])
return 1
"""
"""Extend the lock KEYS[1] of token ARGV[1] by ARGV[2] seconds; acquire it again if it expired. 0: another holds it."""

EVEN_IF_FULL = "#!lua flags=allow-oom\n"

SET_EVEN_IF_FULL = EVEN_IF_FULL + """return redis.call("set", KEYS[1], "1", "ex", ARGV[1])"""
"""Set a small key that expires, on a full server too where it knows how (Redis 7)."""


class EvenIfFull:
    """A script that must run on a full server too, because it frees memory or takes hardly any.

    It is first sent without the flag, which servers before Redis 7 don't know: on those a full server's refusal stands.
    """

    def __init__(self, client: redis.Redis, script: str) -> None:
        self.script = client.register_script(script)
        self.if_full = client.register_script(EVEN_IF_FULL + script)

    def __call__(self, keys: list[Any], args: list[Any]) -> Any:
        """Run it. Raises OutOfMemoryError when the server refuses with the flag too."""
        try:
            return self.script(keys=keys, args=args)
        except redis.exceptions.OutOfMemoryError as full:
            try:
                return self.if_full(keys=keys, args=args)
            except redis.exceptions.ResponseError:
                raise full from None


def mended_dispatch(script: bytes) -> bytes:
    """Dramatiq's script with our changes. Raises RuntimeError for a script that is not the one we know."""
    for stock, ours in MENDED.items():
        if script.count(stock) != 1:
            raise RuntimeError(
                "this Dramatiq's dispatch script is not the one we know: use the version in constraints.txt"
            )
        script = script.replace(stock, ours)
    return script
