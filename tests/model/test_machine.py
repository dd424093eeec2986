"""The real engine on both databases against a reference of one page, driven by hypothesis."""

import importlib
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.model.light import LightWorld
from tests.model.reference import Reference
from tests.world import World

AGENTS = st.integers(1, 12)
CARD = st.sampled_from(["pm_visa", "pm_declined"])
LENGTH = st.one_of(
    st.integers(0, 3600).map(lambda seconds: timedelta(seconds=seconds)),
    st.integers(1, 45).map(lambda days: timedelta(days=days)),
    st.integers(1, 45).map(lambda days: timedelta(days=days, seconds=-1)),
)
OUTCOME = {"applied": True, "no_op": None, "refused": False}


class Lives(RuleBasedStateMachine):
    """One site: every step is asked of the engine and of the reference, and they must agree."""

    template: ClassVar[Path | None]
    new_database: ClassVar[Any]

    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        given = self.new_database() or {"template": self.template}
        self.world = LightWorld(Path(self.folder.name) / "data", "redis://127.0.0.1:1", **given)
        self.world.start_trial()
        self.site = Reference(self.world.now)
        self.last = None

    def teardown(self):
        self.world.close()
        self.folder.cleanup()

    def ask(self, promise, kind, **data):
        expected = False if self.site.state == "deleted" else promise()
        said = self.world.send(kind, **data)
        assert OUTCOME[said["outcome"]] is expected, (kind, data, said["outcome"], said["code"], said["message"])
        self.last = (kind, said["command"]["id"], data, said)

    @rule(agents=AGENTS, card=CARD)
    def subscribe(self, agents, card):
        self.ask(lambda: self.site.subscribe(agents, card), "subscribe", agents=agents, payment_method=card)

    @rule(agents=AGENTS)
    def change_plan(self, agents):
        self.ask(lambda: self.site.change_plan(agents), "change_plan", agents=agents)

    @rule(card=CARD)
    def update_payment(self, card):
        self.ask(lambda: self.site.update_payment(card), "update_payment", payment_method=card)

    @rule()
    def pay(self):
        self.ask(self.site.pay, "pay")

    @rule(when=st.sampled_from(["now", "now", "period_end"]))
    def cancel(self, when):
        self.ask(lambda: self.site.cancel(when), "cancel", when=when)

    @rule()
    def keep(self):
        self.ask(self.site.keep, "keep")

    @rule(length=LENGTH)
    def time_goes_on(self, length):
        self.world.advance_to(self.world.now + length)
        self.site.advance(self.world.now)

    @rule()
    def the_last_command_comes_twice(self):
        if self.last is not None:
            kind, key, data, said = self.last
            assert self.world.send(kind, key=key, **data) == {**said, "duplicate": True}

    @invariant()
    def the_engine_keeps_what_the_reference_promises(self):
        document = self.world.show()
        assert document["state"] == self.site.state
        charged = [charge.amount_cents for charge in self.world.outside.charges.values()]
        assert charged == self.site.charged
        if self.site.state in {"active", "trial_subscribed"}:
            plan = document["plan"]
            assert (plan["agents"], plan["next_agents"]) == (self.site.plan, self.site.later)
            assert document["agents_allowed"] == self.site.allowed
        assert document["attention"] is None


@pytest.fixture(autouse=True)
def _without_nightly_backups(monkeypatch):
    """They are nine moments out of ten, and decide nothing that the reference knows."""
    law = importlib.import_module("engine.timers")
    told = law._moments
    monkeypatch.setattr(law, "_moments", lambda *given: (one for one in told(*given) if one[0] != "back_up_nightly"))


@pytest.fixture(scope="module", autouse=True)
def _template(tmp_path_factory):
    """One migrated, empty database, copied for every example."""
    made = World(tmp_path_factory.mktemp("template"), "redis://127.0.0.1:1")
    made.close()
    Lives.template = made.data_dir / "tenure.db"


@pytest.fixture(autouse=True)
def _databases(databases):
    """A new database for every life, all of one kind."""
    Lives.new_database = databases


def lives(examples):
    return settings(
        max_examples=examples,
        derandomize=False,  # two halves of the same lives would be one
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),  # a failing life is long; shrinking it takes minutes
    )


@pytest.mark.parametrize("half", ["one", "two"])
def test_the_engine_agrees_with_the_reference_in_two_halves_of_many_lives_of_40_steps(half, databases):
    run_state_machine_as_test(Lives, settings=lives(40 if databases.cluster is None else 10))
    assert half


@pytest.mark.long
@pytest.mark.parametrize("hundred", range(50))
def test_the_engine_agrees_with_the_reference_in_5000_lives(hundred, databases):
    run_state_machine_as_test(Lives, settings=lives(100))
    assert hundred < 50
