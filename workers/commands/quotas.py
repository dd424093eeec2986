"""How many commands may come in a minute: of one source, and of one source for one site.

The counts are in Redis, so they hold for all processes of all hosts; an emptied Redis begins them anew. They go by its
clock, which is machine time, in whole seconds. A minute slides: it is the present second and the 59 before it.
"""

import re
from collections import Counter
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

from redis.exceptions import RedisError

import engine
from engine.command import is_operators
from engine.words import shown
from workers.base.logs import log
from workers.context import Context
from workers.queue import redis_keys

SITE_ID = re.compile(r"site_[0-9a-f]{1,64}")

READ = """
local now, window, shelf = tonumber(redis.call("TIME")[1]), 60, {}
local function of(key)
  local known = shelf[key]
  if known then return known end
  local text = redis.pcall("get", key)
  if type(text) ~= "string" then
    shelf[key] = 0
    return 0
  end
  known = {sum = 0, seconds = {}, counts = {}}
  for second, count in string.gmatch(text, "(%d+):(%d+)") do
    second, count = tonumber(second), tonumber(count)
    if second > now - window and second <= now then
      table.insert(known.seconds, second)
      table.insert(known.counts, count)
      known.sum = known.sum + count
    end
  end
  shelf[key] = known
  return known
end
local function keep()
  for key, known in pairs(shelf) do
    if type(known) == "number" then
      if known > 0 then redis.pcall("set", key, now .. ":" .. known, "ex", window) end
    elseif known.changed then
      local words = {}
      for at, second in ipairs(known.seconds) do
        if known.counts[at] > 0 then table.insert(words, second .. ":" .. known.counts[at]) end
      end
      redis.pcall("set", key, table.concat(words, " "), "ex", window)
    end
  end
end
"""
"""A count is a text: each second of the last minute with the commands in it. A key of another type is written over.
Most keys are new, and of those only the number is kept while a batch is counted."""

TAKE = (
    READ
    + """
local function wait(known, limit)
  if type(known) == "number" then return known >= limit and window or 0 end
  local left, at = known.sum, 0
  while left >= limit do
    at = at + 1
    left = left - known.counts[at]
  end
  return at > 0 and known.seconds[at] + window - now or 0
end
local function add(key)
  local known = shelf[key]
  if type(known) == "number" then
    shelf[key] = known + 1
    return
  end
  local last = #known.seconds
  if known.seconds[last] ~= now then
    last = last + 1
    known.seconds[last], known.counts[last] = now, 0
  end
  known.counts[last], known.sum, known.changed = known.counts[last] + 1, known.sum + 1, true
end
local verdicts = {}
for at = #KEYS + 1, #ARGV, 2 do
  local longest = 0
  for which = 1, 2 do
    local index = tonumber(ARGV[at + which - 1])
    if index > 0 then longest = math.max(longest, wait(of(KEYS[index]), tonumber(ARGV[index]))) end
  end
  if longest == 0 then
    for which = 1, 2 do
      local index = tonumber(ARGV[at + which - 1])
      if index > 0 then add(KEYS[index]) end
    end
  end
  table.insert(verdicts, longest)
end
keep()
return verdicts
"""
)
"""For each command, which names the key of its source and of its site (0: none), the seconds that it has to wait. The
limits of the keys come first, in their order."""

GIVE_BACK = (
    READ
    + """
for index, key in ipairs(KEYS) do
  local known, left = of(key), tonumber(ARGV[index])
  for at = known ~= 0 and #known.seconds or 0, 1, -1 do
    local back = math.min(left, known.counts[at])
    known.counts[at], left, known.changed = known.counts[at] - back, left - back, true
  end
end
keep()
"""
)


class Asked(NamedTuple):
    """Who asks about which site: its id, or what was given for one.

    A producer that has a rate of its own (`per_minute`) is counted by its name, whatever source it uses.
    """

    source: str
    site: str
    producer: str = ""
    per_minute: int = 0


class OverQuotaError(engine.Refused):
    """Too many commands within a minute; `seconds` later one more may come."""

    def __init__(self, asked: Asked, seconds: int) -> None:
        super().__init__(
            "quota.exceeded",
            f"source {shown(asked.source)} has asked as many commands as it may in a minute; "
            f"ask again in {seconds} s, with the same id",
        )
        self.seconds = seconds


class Quotas:
    """The limits of one process; what it has counted for a transaction that fails is given back."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.of_source = context.settings.commands_per_minute
        self.of_site = context.settings.site_commands_per_minute
        self.counted: Counter[str] = Counter()

    @property
    def is_off(self) -> bool:
        """Whether nothing is limited but producers that have a rate of their own."""
        return not (self.of_source or self.of_site)

    def take(self, asked: list[Asked]) -> list[int]:
        """For each command in its order 0, and it is counted, or how many seconds it has to wait. One call of Redis.

        While Redis can't count, all may pass.
        """
        keys: dict[str, int] = {}
        limits: list[int] = []
        named = [self._keys(one) for one in asked]
        words: list[int] = []
        for one, pair in zip(asked, named, strict=True):
            for key, limit in zip(pair, (one.per_minute or self.of_source, self.of_site), strict=True):
                if key and key not in keys:
                    keys[key] = len(keys) + 1
                    limits.append(limit)
                words.append(keys[key] if key else 0)
        if not keys:
            return [0] * len(asked)
        try:
            waits: Any = self._run(TAKE, [*keys], [*limits, *words])
        except RedisError as wrong:
            log.warning("failed", error=f"commands were not counted and may all pass: {wrong}")
            return [0] * len(asked)
        passed = (pair for pair, wait in zip(named, waits, strict=True) if not wait)
        self.counted.update(key for pair in passed for key in pair if key)
        return [int(wait) for wait in waits]

    def give_back(self) -> None:
        """What was counted was not done: it comes again, and is counted then."""
        if not self.counted:
            return
        keys, counts = list(self.counted), list(self.counted.values())
        self.counted.clear()
        try:
            self._run(GIVE_BACK, keys, counts)
        except RedisError as wrong:
            log.warning("failed", error=f"commands that were not judged stay counted for a minute: {wrong}")

    def _run(self, script: str, keys: list[str], words: list[int]) -> Any:
        return self.context.rates.register_script(script)(keys=keys, args=words)

    def _keys(self, asked: Asked) -> tuple[str, str]:
        """Of the source and of the site; empty where nothing is limited. No key shows a name."""
        if is_operators(asked.source):  # whoever mends a flood must not wait for its end
            return "", ""
        source = _digest(asked.source)
        whole = _digest(f"producer {asked.producer}") if asked.per_minute else source
        return (
            redis_keys.rate(whole) if self.of_source or asked.per_minute else "",
            redis_keys.rate(source, _named(asked.site)) if self.of_site else "",
        )


def _named(site: str) -> str:
    """The id of a site; what was given for one, and may be anything, as its digest."""
    return site if SITE_ID.fullmatch(site) else _digest(site)


@lru_cache(1024)
def _digest(name: str) -> str:
    return blake2b(name.encode(errors="surrogatepass"), digest_size=12).hexdigest()
