"""A kind of effect is declared once: every part of the engine then knows it."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from models import admission, effect
from models import site as sites
from models.clock import engine_now, machine_now
from models.database import reading, writing
from workers.base import effect_kinds
from workers.base.errors import Permanent, Temporary
from workers.commands import dead_letters
from workers.context import ADAPTERS
from workers.effects import executor, registry
from workers.effects.claim import NOTHING
from workers.effects.definition import EffectDefinition
from workers.health import doctor_fleet
from workers.outbox import wake_ups
from workers.queue.queue_names import COMMANDS, QUEUES
from workers.timers.sweep import offer_effects

ROOT = Path(__file__).parents[2]


class Outside:
    """What the handler of the new kind does: it fails as the test says."""

    def __init__(self):
        self.done = []
        self.error = None

    def handle(self, _context, claim):
        if self.error is not None:
            raise self.error
        self.done.append((claim.site.host, claim.args))
        return NOTHING


@pytest.fixture
def outside(monkeypatch):
    """A kind of effect that no other file knows, registered for the length of a test."""
    monkeypatch.setattr(effect_kinds, "KINDS", dict(effect_kinds.KINDS))
    monkeypatch.setattr(registry, "EFFECTS", dict(registry.EFFECTS))
    made = Outside()
    registry.register(EffectDefinition(name="sing", handler=made.handle, lane="data", queue="data", adapter="choir"))
    return made


class Broker:
    """Takes the place of the queues, and remembers which one each effect came to."""

    def __init__(self):
        self.announced = []

    def announce(self, queue, effect_ids):
        self.announced += [(queue, effect_id) for effect_id in effect_ids]


def ask_for(world, kind, args=None):
    """Write an effect by hand, as a decision would; its id."""
    with writing(world.context.database) as tx:
        site = sites.find(tx, world.show()["id"])
        assert site is not None
        now, machine = engine_now(tx), machine_now()
        row = {
            "id": f"{site.id}:{site.generation}:{kind}:abc",
            "site_id": site.id,
            "generation": site.generation,
            "kind": kind,
            "lane": "data",
            "args": args or {},
            "status": "pending",
            "attempt": 0,
            "fence": 0,
            "asked_at": now,
            "announced_at": machine,
            "waits_since": machine,
            "cause_source": "tests",
            "cause_id": "c-1",
            "correlation_id": None,
        }
        (woken,) = admission.add_all(tx, [row])
    wake_ups.offer(world.context, [woken])
    return woken.id


def row_of(world, effect_id):
    with reading(world.context.database) as tx:
        return effect.find(tx, effect_id)


def test_a_new_kind_is_announced_on_its_queue_claimed_done_and_settled(world, outside, monkeypatch):
    world.start_trial()
    broker = Broker()
    monkeypatch.setitem(world.context.__dict__, "broker", broker)
    effect_id = ask_for(world, "sing", {"song": "Ubi caritas"})
    assert broker.announced == [("data", effect_id)]

    executor.run(world.context, effect_id)

    assert outside.done == [("acme.example.com", {"song": "Ubi caritas"})]
    assert row_of(world, effect_id).status == "done"
    assert [event["data"]["kind"] for event in world.events("effect.done")][-1] == "sing"


def test_a_new_kind_that_fails_twice_is_shown_by_doctor_at_its_adapter(world, outside):
    world.start_trial()
    outside.error = Temporary("nobody sings today")
    ask_for(world, "sing")
    world.rest()
    world.retry_now()

    (finding,) = [one for one in doctor_fleet.judge(world.context) if one.what == "work at choir"]
    assert "1 sing failed more than once" in finding.value
    outside.error = None
    world.retry_now()
    assert not [one for one in doctor_fleet.judge(world.context) if one.what == "work at choir"]


def test_a_new_kind_that_gives_up_is_a_dead_letter_and_a_fault_until_a_retry_succeeds(world, outside):
    world.start_trial()
    outside.error = Permanent("the choir is dissolved")
    effect_id = ask_for(world, "sing")
    world.rest()

    (dead,) = dead_letters.listing(world.context)["dead"]
    assert (dead["id"], dead["what"], dead["reason"]) == (effect_id, "sing", "the choir is dissolved")
    assert "sing" in world.show()["attention"]
    outside.error = None
    dead_letters.retry(world.context, effect_id)
    world.rest()
    assert (row_of(world, effect_id).status, world.show()["attention"]) == ("done", None)


def test_a_wake_up_of_a_new_kind_that_is_lost_is_sent_again_by_the_sweep(world, outside):
    world.start_trial()
    effect_id = ask_for(world, "sing")
    world.wakeups.waiting.clear()
    offer_effects(world.context)
    assert world.wakeups.waiting == []
    with writing(world.context.database) as tx:
        long_ago = machine_now().replace(year=2020)
        tx.execute(effect.EFFECTS.update().where(effect.EFFECTS.c.id == effect_id).values(announced_at=long_ago))
    offer_effects(world.context)
    assert world.wakeups.waiting == [effect_id]
    world.rest()
    assert len(outside.done) == 1


def test_an_effect_of_another_versions_kind_fails_with_the_remedy_and_is_tried_again(world):
    world.start_trial()
    effect_id = ask_for(world, "of_tomorrow")
    world.rest()
    row = row_of(world, effect_id)
    assert (row.status, row.attempt) == ("pending", 1)
    assert row.error == "this version knows no effect of kind 'of_tomorrow': upgrade this worker"


def test_a_kind_is_registered_once():
    with pytest.raises(ValueError, match="'mail' is registered twice"):
        registry.register(replace(registry.EFFECTS["mail"]))


def test_every_kind_names_a_lane_a_queue_and_an_adapter_that_are_there():
    assert {kind.lane for kind in registry.EFFECTS.values()} == set(effect.LANES)
    assert {kind.queue for kind in registry.EFFECTS.values()} == set(QUEUES) - {COMMANDS}
    assert {kind.adapter for kind in registry.EFFECTS.values()} == {*ADAPTERS, "stores"}
    assert registry.EFFECTS == effect_kinds.KINDS


def modules_that_open_a_context():
    """By their sources; `workers.__main__` opens one only to check the adapters' addresses."""
    paths = [*ROOT.glob("workers/**/*.py"), *ROOT.glob("schedules/*.py")]
    opening = [path for path in paths if re.search(r"(?<!\w)Context\(settings", path.read_text())]
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in opening if path.stem != "__main__"]


def test_the_modules_that_open_a_context_are_found():
    assert {"workers.boot", "workers.cli.verb", "schedules.clock"} <= set(modules_that_open_a_context())


VERBS = "workers.cli.verb"
"""Loads no kind for a verb that asks for no effect; `test_starting` holds that each that does has them."""


@pytest.mark.parametrize("module", sorted({*modules_that_open_a_context()} - {VERBS}))
def test_every_process_knows_the_kinds(module):
    ask = f"import {module}; from workers.base.effect_kinds import KINDS; print(len(KINDS))"
    answer = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert int(answer.stdout) == len(registry.EFFECTS)


def test_a_process_without_the_kinds_is_told_so_and_writes_no_effect(monkeypatch):
    monkeypatch.setattr(effect_kinds, "KINDS", {})
    with pytest.raises(LookupError, match=r"import workers\.effects\.registry"):
        effect_kinds.lane_of("mail")
