"""A seeded population: who subscribes early, late or never, cancels, comes back, fails to pay, and sends nonsense."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

DAY = timedelta(days=1)
CARDS = ("pm_visa", "pm_visa", "pm_visa", "pm_visa", "pm_flaky", "pm_declined", "pm_stolen")
"""Most cards pay; a flaky one is declined now and then, a declined one always, a stolen one for good."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Something that a customer or an operator will ask, so long after the customer came."""

    after: timedelta
    type: str
    data: dict[str, Any]


def wishes(random: Random, horizon: timedelta) -> Iterator[Wish]:
    """All that one customer will ask within the horizon, in no order; much of it will be refused, as in life."""
    subscribes_after = _subscribes_after(random)
    if subscribes_after is not None:
        plan = _plan(random)
        yield Wish(subscribes_after, "site.subscribe", plan)
        yield from _plan_changes(random, plan["agents"], subscribes_after, horizon)
    yield from _leaving(random, horizon)
    yield from _hesitating(random, horizon)
    yield from _operators(random, horizon)
    yield from _nonsense(random, horizon)


def _subscribes_after(random: Random) -> timedelta | None:
    """Half never do; the rest early, at the last minute, or after it expired."""
    kind = random.random()
    if kind < 0.45:
        return None
    if kind < 0.75:
        return random.uniform(0, 10) * DAY
    return random.uniform(25, 30) * DAY if kind < 0.95 else random.uniform(30, 44) * DAY


def _plan(random: Random) -> dict[str, Any]:
    return {"agents": random.randint(1, 12), "payment_method": random.choice(CARDS)}


def _plan_changes(random: Random, agents: int, start: timedelta, horizon: timedelta) -> Iterator[Wish]:
    """More, fewer, and now and then back to the number before."""
    for _ in range(random.choice((0, 0, 1, 2, 4))):
        at = _between(random, start, horizon)
        yield Wish(at, "site.change_plan", {"agents": random.randint(1, 20)})
        if random.random() < 0.3:
            yield Wish(at + random.uniform(0, 5) * DAY, "site.change_plan", {"agents": agents})
    if random.random() < 0.4:
        data = {"payment_method": random.choice(CARDS)}
        yield Wish(_between(random, start, horizon), "site.update_payment", data)
    for _ in range(random.choice((0, 0, 0, 1, 3))):
        yield Wish(_between(random, start, horizon), "site.pay", {})


def _leaving(random: Random, horizon: timedelta) -> Iterator[Wish]:
    """Some cancel, some of those come back, with time left or without, and some leave again."""
    at = _between(random, timedelta(0), horizon)
    while random.random() < 0.45:
        when = {"when": "period_end"} if random.random() < 0.3 else {}
        yield Wish(at, "site.cancel", when)
        at += random.uniform(0, 20) * DAY
        if random.random() < 0.5:
            yield Wish(at, *random.choice((("site.keep", {}), ("site.subscribe", _plan(random)))))
        at += random.uniform(0, 120) * DAY


def _hesitating(random: Random, horizon: timedelta) -> Iterator[Wish]:
    """Some leave, come back and leave again within days."""
    if random.random() < 0.15:
        at = _between(random, timedelta(0), horizon)
        yield Wish(at, "site.cancel", {})
        for _ in range(random.randint(1, 3)):
            at += random.uniform(0, 4) * DAY
            yield Wish(at, *random.choice((("site.keep", {}), ("site.subscribe", _plan(random)))))
            at += random.uniform(0, 4) * DAY
            yield Wish(at, "site.cancel", {})


def _operators(random: Random, horizon: timedelta) -> Iterator[Wish]:
    if random.random() < 0.05:
        at = _between(random, timedelta(0), horizon)
        yield Wish(at, "site.suspend", {"reason": "abuse"})
        yield Wish(at + random.uniform(0, 40) * DAY, "site.resume", {})
    if random.random() < 0.05:
        at = _between(random, timedelta(0), horizon)
        yield Wish(at, "site.hold", {"reason": "court"})
        yield Wish(at + random.uniform(0, 60) * DAY, "site.release", {})
    if random.random() < 0.1:
        yield Wish(random.uniform(0, 50) * DAY, "site.extend_trial", {"days": random.randint(1, 30)})
    if random.random() < 0.02:
        guard = random.choice(("export", "backup", "notice"))
        yield Wish(_between(random, timedelta(0), horizon), "site.waive", {"guard": guard, "reason": "asked"})


def _nonsense(random: Random, horizon: timedelta) -> Iterator[Wish]:
    """Commands at the wrong time, which the law has to refuse without a trace."""
    for _ in range(random.choice((0, 0, 1, 2))):
        kind = random.choice(("site.keep", "site.pay", "site.resume", "site.release", "site.retry", "site.export"))
        yield Wish(_between(random, timedelta(0), horizon), kind, {})


def _between(random: Random, start: timedelta, end: timedelta) -> timedelta:
    return start + random.random() * max(end - start, timedelta(0))
