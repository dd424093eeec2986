"""Whether a Redis keeps what it is told: the rules by which start-up refuses and that `tenure doctor` shows."""

import time
from collections.abc import Iterator
from typing import Any

import redis
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from workers.base.backoff import jittered
from workers.base.logs import log
from workers.health.check import Finding, failure, must_be_safe, refusal, tell, warning, well
from workers.queue import clients

OLDEST = (6, 2)
FIXED = {
    "redis": {(6, 2): 20, (7, 2): 11, (7, 4): 6, (8, 0): 4, (8, 2): 2, (8, 6): 3},
    "valkey": {(7, 2): 13, (8, 0): 9, (8, 1): 7, (9, 0): 4},
}
"""The first patch of each line without CVE-2025-49844 (whoever may run scripts runs programs) and, for Redis 8.6 and
Valkey, without CVE-2026-23479 (the same by blocking commands, which every worker uses). Newer lines began
without them."""

FIRST_PATCHED_LINE = (8, 0)
"""An older line that has no fixed patch gets none any more."""

CROWDED, FULL = 0.7, 0.9
"""The share of `maxmemory` from which it is a warning and a failure: a full server can't even acknowledge."""

FULL_SERVER = "a full server takes no command: let the workers catch up, or raise `maxmemory` (TENURE_REDIS_MAX_MB)"

NOW = ("redis start", "redis disk", "redis memory")
"""What keeps it from taking work at this moment."""

PATIENCE_SECONDS = 30.0
PAUSE_SECONDS = 0.5
CANNOT_TELL = "this server does not say, so nobody can tell whether it loses data: ask whoever runs it"


def check(url: str) -> None:
    """Refuse a Redis that would lose data, and say in the log what else is wrong with it.

    Raises ValueError with the remedy.
    """
    tell(must_be_safe(look(url)))


def look(url: str) -> list[Finding]:
    """Judge a Redis, after waiting a while for one that is not there yet; ValueError when it does not come.

    The connection ends here: none is carried over a fork.
    """
    with clients.for_checks(url) as client:
        return list(judge(_patiently_ask(client)))


def ask(client: "redis.Redis") -> dict[str, Any]:
    """What the server says of itself; what it will not say is missing. Raises RedisError when it does not answer."""
    return {**_granted(client.info), **_granted(client.config_get, "appendfsync")}


def answers(client: "redis.Redis") -> bool:
    """Whether a server is there; one that does not let us in is."""
    try:
        return bool(client.ping())
    except AuthenticationError:
        return True
    except RedisError:
        return False


def _granted(question: Any, *words: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = question(*words)
    except ResponseError:  # a managed Redis forbids CONFIG, some INFO too
        return {}
    return answer


def _patiently_ask(client: "redis.Redis") -> dict[str, Any]:
    deadline, told = time.monotonic() + PATIENCE_SECONDS, False
    while True:
        try:
            return ask(client)
        except AuthenticationError as wrong:
            raise ValueError(f"Redis does not let us in: {wrong}; correct REDIS_URL") from None
        except RedisError as wrong:
            if time.monotonic() > deadline:
                raise ValueError(f"Redis does not answer: {wrong}; start it, or correct REDIS_URL") from None
            if not told:
                log.warning("failed", error=f"Redis: {wrong}; it is asked again for {PATIENCE_SECONDS:.0f} s")
            told = True
        time.sleep(jittered(PAUSE_SECONDS))


def judge(said: dict[str, Any]) -> Iterator[Finding]:
    """Judge what `ask` was told."""
    yield _version(said)
    yield _role(said)
    if said.get("cluster_enabled"):
        yield refusal(
            "redis mode", "cluster", "a queue's keys lie on several of its nodes: use a Redis without cluster mode"
        )
    yield _eviction(said)
    yield _append_only(said)
    if said.get("aof_enabled"):
        yield _sync(said)
    if said.get("loading"):
        yield failure("redis start", "loading", "it reads its file and serves nobody yet: wait")
    if said.get("aof_last_write_status", "ok") != "ok":
        yield failure("redis disk", "write failed", "it takes no command while its file can't grow: make room")
    yield _memory(said)


def _version(said: dict[str, Any]) -> Finding:
    kind = "valkey" if "valkey_version" in said else "redis"
    text = str(said.get(f"{kind}_version", "unknown"))
    try:
        major, minor, patch = (int(part) for part in f"{text}.0.0".split(".")[:3])
    except ValueError:
        return warning("redis", text, CANNOT_TELL)
    shown, line = f"{kind} {text}", (major, minor)
    if line < OLDEST:
        return refusal("redis", shown, "the scripts of the queue need Redis 6.2 or any Valkey: use a newer one")
    fixed = FIXED[kind]
    if patch < fixed.get(line, 0):
        return warning("redis", shown, f"a client can take the server over: {major}.{minor}.{fixed[line]} is mended")
    if line not in fixed and line < FIRST_PATCHED_LINE:
        return warning("redis", shown, "a client can take the server over, and its line is not mended: use a newer one")
    return well("redis", shown)


def _role(said: dict[str, Any]) -> Finding:
    role = said.get("role")
    if role == "master":
        return well("redis role", "primary")
    if role is None:
        return warning("redis role", "unknown", CANNOT_TELL)
    return refusal("redis role", "replica", "what is written there is refused or lost: name the primary in REDIS_URL")


def _eviction(said: dict[str, Any]) -> Finding:
    policy = said.get("maxmemory_policy")
    if policy is None:
        return warning("eviction", "unknown", CANNOT_TELL)
    if policy == "noeviction":
        return well("eviction", policy)
    return refusal(
        "eviction", policy, "Redis would throw commands away to make room: set `maxmemory-policy noeviction`"
    )


def _append_only(said: dict[str, Any]) -> Finding:
    on = said.get("aof_enabled")
    if on is None:
        return warning("append-only file", "unknown", CANNOT_TELL)
    if on:
        return well("append-only file", "on")
    return failure(
        "append-only file",
        "off",
        "a restart of Redis loses commands that are not answered yet; producers must ask again: set `appendonly yes`",
    )


def _sync(said: dict[str, Any]) -> Finding:
    how = said.get("appendfsync")
    if how is None:
        return warning("appendfsync", "unknown", CANNOT_TELL)
    if how == "always":
        return well("appendfsync", how)
    if how == "everysec":
        return warning("appendfsync", how, "a power cut loses a second of commands: `always` costs a command 0.3 ms")
    return failure("appendfsync", how, "a power cut loses half a minute of commands: set `appendfsync always`")


def _memory(said: dict[str, Any]) -> Finding:
    used, most = said.get("used_memory"), said.get("maxmemory")
    if used is None or most is None:
        return warning("redis memory", "unknown", CANNOT_TELL)
    if not most:
        return well("redis memory", f"{used >> 20} MiB, no limit")
    shown, share = f"{used >> 20} of {most >> 20} MiB", used / most
    if share < CROWDED:
        return well("redis memory", shown)
    level = failure if share >= FULL else warning
    return level("redis memory", shown, FULL_SERVER)
