"""The Lua that looks after Redis: what it holds, what is nobody's, and what must not grow for ever."""

QUEUE_HEADS = """
local heads = {}
for _, list in ipairs(KEYS) do
  local count, body = redis.pcall("llen", list), ""
  if type(count) ~= "number" then count = 0 end
  local id = count > 0 and redis.call("lindex", list, 0)
  local length = id and redis.pcall("hstrlen", list .. ".msgs", id)
  if type(length) == "number" and length > 0 and length <= tonumber(ARGV[1]) then
    body = redis.call("hget", list .. ".msgs", id)
  end
  table.insert(heads, count)
  table.insert(heads, body)
end
return heads
"""
"""The length of each list KEYS and the body at its head, unless that is longer than ARGV[1]. A key of another type
counts as empty."""

COMMANDS_UNDER_WAY = """
local function number(value) return type(value) == "number" and value or 0 end
if number(redis.pcall("hlen", KEYS[2])) == 0 then return 0 end
local count = number(redis.pcall("llen", KEYS[1]))
local prefix, queue = string.match(KEYS[1], "^([^:]+):(.*)$")
for _, worker in ipairs(redis.pcall("zrange", KEYS[3], 0, -1)) do
  count = count + number(redis.pcall("scard", prefix .. ":__acks__." .. worker .. "." .. queue))
end
return count
"""
"""How many messages wait in the list KEYS[1] or are in a worker's hand. KEYS[2]: the bodies, KEYS[3]: the heartbeats.
A body that no list names is not counted: nobody will ever read it."""

REMOVE_STRAY = """
if redis.pcall("lpos", KEYS[2], ARGV[1]) then return 0 end
local prefix, queue = string.match(KEYS[2], "^([^:]+):(.*)$")
for _, worker in ipairs(redis.pcall("zrange", prefix .. ":__heartbeats__", 0, -1)) do
  if redis.pcall("sismember", prefix .. ":__acks__." .. worker .. "." .. queue, ARGV[1]) == 1 then return 0 end
end
return redis.call("hdel", KEYS[1], ARGV[1])
"""
"""Remove the body ARGV[1] from the hash KEYS[1] if the list KEYS[2] does not name it and no worker holds it: its
producer died between its two steps, so nobody will ever read it."""

PUT_ASIDE = """
local aside = {}
for at, key in ipairs(KEYS) do
  local kind = redis.call("type", key).ok
  if kind ~= "none" and kind ~= ARGV[at + 2] then
    redis.call("rename", key, ARGV[1] .. key)
    redis.call("expire", ARGV[1] .. key, ARGV[2])
    table.insert(aside, key)
    table.insert(aside, kind)
  end
end
return aside
"""
"""Rename each of KEYS that has another type than its own (ARGV from 3 on): prefix ARGV[1], for ARGV[2] seconds."""

TEND_HEARTBEATS = """
local t = redis.call("TIME")
local now, changed = t[1] * 1000 + math.floor(t[2] / 1000), 0
for _, name in ipairs(redis.call("zrangebyscore", KEYS[1], now + ARGV[1], "+inf", "LIMIT", 0, 1000)) do
  redis.call("zadd", KEYS[1], now, name)
  changed = changed + 1
end
if redis.call("zcard", KEYS[1]) <= tonumber(ARGV[2]) then return changed end
local prefix = string.match(KEYS[1], "^([^:]+):")
for _, name in ipairs(redis.call("zrange", KEYS[1], 0, 1999)) do
  local holds = 0
  for at = 3, #ARGV do
    holds = holds + redis.call("exists", prefix .. ":__acks__." .. name .. "." .. ARGV[at])
  end
  if holds == 0 then
    redis.call("zrem", KEYS[1], name)
    changed = changed + 1
  end
end
return changed
"""
"""Set heartbeats of more than ARGV[1] ms ahead to now, or they would never end. Of more than ARGV[2] remove those that
hold no message of the queues in ARGV from 3 on: a living worker adds its own again within seconds."""

TRIM_DEAD = """
local ids, bytes, gone = redis.call("zrevrange", KEYS[1], 0, -1), 0, {}
for at, id in ipairs(ids) do
  bytes = bytes + redis.call("hstrlen", KEYS[2], id)
  if at > tonumber(ARGV[1]) or bytes > tonumber(ARGV[2]) then table.insert(gone, id) end
end
for _, id in ipairs(gone) do
  redis.call("zrem", KEYS[1], id)
  redis.call("hdel", KEYS[2], id)
end
return #gone
"""
"""Keep the newest dead letters: ARGV[1] of them, with bodies of ARGV[2] bytes together."""
