"""Stories: random steps in the life of one site, that can be told again and cut down to what matters."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

DAY = 86_400.0
Step = tuple[Any, ...]
Story = list[Step]

SUSPEND: Step = ("ask", "suspend", {"reason": "a reason"})

PLANS = (1, 2, 3, 4, 5, 6, 8, 11, 12, 12, 17)
NETWORK = ("ok", "ok", "ok", "ok", "later", "later", "never", "new_card", "customer", "silent", "silent", "busy")
"""What a card network does: pays, declines with an advice, takes a charge and says nothing, or is not asked at all."""

SETTINGS: dict[str, tuple[Any, ...]] = {
    "currency": ("USD", "EUR", "JPY"),
    "price_cents": (0, 1, 2000, 2000, 2999, 50_000),
    "min_charge_cents": (0, 0, 50, 50, 5000),
    "retention_days": (14, 14, 20, 30),
}
AWAY = ("mail", "export", "back_up", "provision", "delete")
LIKELY = {
    "provisioning": ("subscribe", "cancel", "update_contact"),
    "failed": ("retry", "cancel"),
    "trial": ("subscribe", "subscribe", "subscribe", "extend_trial", "cancel", "suspend", "keep"),
    "trial_subscribed": ("change_plan", "cancel", "cancel", "suspend", "extend_trial", "update_payment"),
    "active": ("change_plan", "change_plan", "change_plan", "cancel", "cancel", "suspend", "keep", "subscribe"),
    "past_due": ("pay", "update_payment", "cancel", "keep", "suspend", "subscribe"),
    "suspended": (
        "pay",
        "resume",
        "resume",
        "resume",
        "change_plan",
        "update_payment",
        "cancel",
        "keep",
        "extend_trial",
    ),
    "cancelled": (
        "subscribe",
        "subscribe",
        "subscribe",
        "keep",
        "hold",
        "release",
        "export",
        "suspend",
        "waive",
        "record_refund",
        "mail_bounced",
    ),
    "expired": ("subscribe", "subscribe", "keep", "extend_trial", "suspend", "resume"),
    "deleting": ("hold", "release", "retry", "subscribe"),
    "deleted": ("start_trial", "start_trial", "subscribe"),
}
"""What is often asked of a site in a state, so that a random life goes somewhere."""

ANYTHING = (
    *("start_trial", "subscribe", "change_plan", "pay", "update_payment", "cancel", "keep", "update_contact", "export"),
    *(
        "back_up",
        "restore",
        "waive",
        "extend_trial",
        "suspend",
        "resume",
        "hold",
        "release",
        "retry",
        "record_refund",
        "record_refund",
        "mail_bounced",
    ),
)


FIELDS: dict[str, dict[str, tuple[Any, ...]]] = {
    "start_trial": {"account": ("acme",), "email": ("owner@acme.example",)},
    "cancel": {"when": ("now", "period_end", "period_end")},
    "update_contact": {"email": ("owner@acme.example", "other@acme.example")},
    "restore": {"from": ("previous_day", "7_day", "30_day", "bkp_1")},
    "waive": {"guard": ("export", "backup", "notice"), "reason": ("asked",)},
    "extend_trial": {"days": (1, 7, 30)},
    "suspend": {"reason": ("a reason",)},
    "hold": {"reason": ("a reason",)},
    "record_refund": {"invoice": ("the first", "the last", "the last", "inv_none")},
    "mail_bounced": {"letter": ("suspension_near", "deletion_in_48_hours"), "address": ("owner@acme.example",)},
}
"""The values of the fields that do not depend on the site."""


@dataclass(frozen=True, slots=True)
class View:
    """What a teller may look at to make the next step likely: nothing of it decides what is right."""

    state: str
    agents: int
    card: str


def steps(random: Random, look: Callable[[], View], asks: int, parts: tuple[str, ...] = AWAY) -> Iterator[Step]:
    """Steps without end of sense, until so many commands were asked."""
    asked = 0
    yield "ask", "start_trial", {"account": "acme", "email": "owner@acme.example"}
    for step in _opening(random):
        yield step
    while asked < asks:
        kind = random.choices(("ask", "time", "world", "scene"), (44, 32, 20, 4))[0]
        for step in _scene(random) if kind == "scene" else [_step(random, kind, look, parts)]:
            asked += step[0] == "ask"
            yield step


def _step(random: Random, kind: str, look: Callable[[], View], parts: tuple[str, ...]) -> Step:
    if kind == "ask":
        return _wish(random, look())
    return _time(random) if kind == "time" else _world(random, parts)


def _scene(random: Random) -> list[Step]:
    """Steps that mean little one by one: what was agreed or counted changes before it is used."""
    some, many = random.choice((1, 2, 3, 6)), random.choice((5, 7, 12))
    fewer: Step = ("ask", "change_plan", {"agents": some})
    changed: Step = _changed(random)
    ending: Step = ("ask", "cancel", {"when": "period_end"})
    unpaid: list[Step] = [("network", "later"), ("due",), ("due",), ("use", some), *[("due",)] * 5, ("network", "ok")]
    scenes: tuple[list[Step], ...] = (
        [("network", "silent"), _subscribe(random), changed, ("answer", "ok")],
        [fewer, ("use", many), ("due",)],
        [fewer, ("use", many), SUSPEND, _time(random), ("pass", 31 * DAY), ("ask", "resume", {})],
        [fewer, ("use", many), *unpaid, ("ask", "pay", {})],
        [("network", "silent"), ("due",), ("due",), ending, ("answer", random.choice(("later", "never", "ok")))],
    )
    return random.choice(scenes)


def _opening(random: Random) -> list[Step]:
    """How a life begins: paid, with trouble at the first charge, after the trial, or as it comes."""
    subscribed = [_subscribe(random), ("pass", 31 * DAY)]
    trouble: Step = ("network", random.choice(("later", "busy", "silent", "customer")))
    openings: tuple[list[Step], ...] = (
        [],
        [],
        subscribed,
        [
            trouble,
            *subscribed,
            SUSPEND,
            ("ask", "change_plan", {"agents": random.choice(PLANS)}),
            ("ask", "resume", {}),
        ],
        [("pass", 31 * DAY), *_scene(random)],
        [("network", "silent"), *subscribed, *_scene(random), ("due",)],
    )
    return [*random.choice(openings), ("network", random.choice(NETWORK))]


def _subscribe(random: Random) -> Step:
    return "ask", "subscribe", {"agents": random.choice(PLANS), "payment_method": _card(random)}


def _changed(random: Random) -> Step:
    name = random.choice(("currency", "currency", *SETTINGS))
    return "set", name, random.choice(SETTINGS[name])


def _wish(random: Random, seen: View) -> Step:
    likely = random.random() < 0.75
    kind = random.choice(LIKELY[seen.state]) if likely and seen.state in LIKELY else random.choice(ANYTHING)
    return "ask", kind, _data(random, kind, seen)


def _data(random: Random, kind: str, seen: View) -> dict[str, Any]:
    if kind == "subscribe":
        same = random.random() < 0.25 and seen.agents > 0
        agents, card = (seen.agents, seen.card) if same else (random.choice(PLANS), _card(random))
        return {"agents": agents, "payment_method": card}
    if kind == "change_plan":
        near = max(1, seen.agents + random.choice((-1, 0, 1, 2)))
        return {"agents": random.choice((near, random.choice(PLANS)))}
    if kind == "update_payment" or (kind == "pay" and random.random() < 0.3):
        return {"payment_method": _card(random)}
    return {name: random.choice(values) for name, values in FIELDS.get(kind, {}).items()}


def _card(random: Random) -> str:
    return random.choice(("pm_one", "pm_two"))


def _time(random: Random) -> Step:
    """To the next due moment (or just before it), on by some time, or a silence in which nothing fires."""
    kind = random.choices(("due", "almost", "pass", "silence"), (60, 10, 25, 5))[0]
    if kind in {"due", "almost"}:
        return (kind,)
    longest = 40.0 if kind == "pass" else 20.0
    length = random.choice((random.uniform(0, 3600), random.uniform(0, 3 * DAY), random.uniform(0, longest * DAY)))
    return kind, round(length, random.choice((0, 0, 6)))


def _world(random: Random, parts: tuple[str, ...]) -> Step:
    kind = random.choices(
        ("network", "answer", "use", "set", "away", "back", "claim", "give_up", "drop", "late"),
        (30, 24, 12, 10, 8, 14, 6, 4, 3, 2),
    )[0]
    match kind:
        case "network":
            return kind, random.choice(NETWORK)
        case "answer":
            return kind, random.choice(("ok", "ok", "ok", "later", "never", "new_card", "customer"))
        case "use":
            return kind, random.choice((1, 1, 2, 3, 5, 7, 12))
        case "set":
            return _changed(random)
        case "away":
            return kind, random.choice(parts)
    return (kind,)


def shrunk(story: Story, fails: Callable[[Story], bool]) -> Story:
    """The same failure with as few steps as leaving out runs of steps finds: a run of half the story first."""
    size = len(story) // 2
    while size:
        at, smaller = 0, False
        while at < len(story):
            shorter = story[:at] + story[at + size :]
            if fails(shorter):
                story, smaller = shorter, True
            else:
                at += size
        size = 1 if smaller and size == 1 else size // 2
    return story


def told(seed: object, what: str, story: Story) -> str:
    """A failure as it is printed: replayed by `replay([...])` in tests/model/walk.py."""
    lines = "\n".join(f"    {step!r}," for step in story)
    return f"{what}\nseed {seed}, {len(story)} steps:\nreplay([\n{lines}\n])"


def kind_of(what: str | None) -> str | None:
    """A fault without its numbers, so that a shorter story of the same one is known."""
    return None if what is None else "".join(letter for letter in what.partition(";")[0] if not letter.isdigit())
