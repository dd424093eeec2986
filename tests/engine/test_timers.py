"""Time: firing always makes progress, and no walk, however wild, breaks a promise."""

import os
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import engine
from engine.nights import next_night, offset
from engine.site import DERIVED
from tests.engine.lab import DAY, HOUR, POLICY, STANDINGS, TICK, Lab, at

CARDS = st.sampled_from(["pm_ok", "pm_other", "pm_declined", "pm_silent"])
AGENTS = st.integers(1, 12)
STEPS = st.one_of(
    st.tuples(st.just("advance"), st.fixed_dictionaries({"hours": st.integers(1, 24 * 20)})),
    st.tuples(st.just("jump"), st.fixed_dictionaries({"hours": st.integers(1, 24 * 60)})),
    st.tuples(st.just("answer"), st.sampled_from(["succeeded", "declined"])),
    st.tuples(st.just("claim"), st.none()),
    st.tuples(st.just("use"), st.integers(1, 8)),
    st.tuples(st.just("retry_means"), st.sampled_from(["later", "new_card", "customer", "never"])),
    st.tuples(st.just("stuck"), st.sampled_from([(), ("export",), ("back_up",), ("deletion_in_48_hours",)])),
    st.tuples(st.just("subscribe"), st.fixed_dictionaries({"agents": AGENTS, "payment_method": CARDS})),
    st.tuples(st.just("change_plan"), st.fixed_dictionaries({"agents": AGENTS})),
    st.tuples(st.just("pay"), st.fixed_dictionaries({}, optional={"payment_method": CARDS})),
    st.tuples(st.just("update_payment"), st.fixed_dictionaries({"payment_method": CARDS})),
    st.tuples(st.just("cancel"), st.fixed_dictionaries({}, optional={"when": st.sampled_from(["now", "period_end"])})),
    st.tuples(st.sampled_from(["keep", "export", "back_up", "resume", "release", "retry"]), st.just({})),
    st.tuples(st.sampled_from(["suspend", "hold"]), st.just({"reason": "x"})),
    st.tuples(st.just("extend_trial"), st.fixed_dictionaries({"days": st.integers(1, 20)})),
    st.tuples(
        st.just("waive"),
        st.fixed_dictionaries({"guard": st.sampled_from(["export", "backup", "notice"]), "reason": st.just("x")}),
    ),
    st.tuples(st.just("gave_up"), st.just({"kind": "export", "error": "x"})),
)


class Watched(Lab):
    """A lab that checks the promises at every decision, from what it sees alone."""

    def __init__(self):
        super().__init__()
        self.ready = self.free_until = self.ended = self.exported = self.noticed = None
        self.period_charges, self.clock_charges, self.told = [], [], []
        self.waived = set()

    def fire(self, kind):
        due, moment = self.timers()[kind], self.now
        decision = super().fire(kind)
        if decision.outcome == "applied":
            after = decision.timers.get(kind)
            assert after is None or after > due, f"{kind} fired at {due} and is due at {after}"
        if decision.charge is not None:
            assert all(moment - earlier >= DAY for earlier in self.clock_charges), "the clock charged twice in 24 h"
            self.clock_charges.append(moment)
        return decision

    def take(self, decision):
        before, after = decision.before, decision.site
        if decision.outcome == "applied" and before is not None:
            self._watch(before, after, decision)
        return super().take(decision)

    def _watch(self, before, after, decision):
        if before.ready_at is None and after.ready_at is not None:
            self.ready, self.free_until = self.now, self.now + 30 * DAY
        if decision.charge is not None:
            self._charge(before, decision)
        if after.state in {"cancelled", "expired"} and before.state not in {"cancelled", "expired"}:
            self.ended, self.exported, self.waived, self.told = self.now, None, set(), []
        if after.export_ready_at and not before.export_ready_at:
            self.exported = self.now
        self.waived |= set(after.waived)
        if after.deletes_at and after.generation == before.generation and before.deletes_at:
            assert after.deletes_at >= before.deletes_at
        if before.state != "deleting" and after.state == "deleting":
            self._delete()
        assert (after.state == "deleted") <= (before.state in {"deleting", "deleted"})
        if after.state == "suspended" and before.state == "past_due" and after.suspended_reason is None:
            assert before.owed.noticed_at is not None
            assert self.now >= before.owed.noticed_at + 2 * DAY
            assert self.now >= before.owed.declined_at + 7 * DAY
        assert not (after.online and after.cancelled_at)
        if engine.UNTIMED.issuperset(engine.changed_facts(before, after)):
            assert engine.timers(before, self.policy) == engine.timers(after, self.policy)
        assert after.suspended_for is not None or after.state != "suspended"
        versions = after.version - before.version
        assert versions == 1 or (versions == 0 and before.state == after.state)

    def _charge(self, before, decision):
        assert self.now >= self.free_until
        assert before.paying is None or any(isinstance(entry, engine.Answered) for entry in decision.entries)
        if decision.charge.reason in {"first_charge", "renewal"} and before.state != "suspended":
            assert all(self.now - earlier >= DAY for earlier in self.period_charges)
        if decision.charge.reason != "change_plan":
            self.period_charges.append(self.now)

    def _delete(self):
        assert self.now >= self.ended + 14 * DAY
        assert "export" in self.waived or self.now >= self.exported + 14 * DAY

    def ask(self, kind, data):
        self.say(kind, **data)

    def hear(self, outcome):
        if any(one.kind == "charge" for one in self.waiting):
            self.answer(outcome, retry=self.retry)

    def leave_waiting(self, kinds):
        self.stuck = set(kinds)
        self.settle()

    def check_books(self):
        spans = sorted(self.paid())
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))
        assert sum(row["outcome"] == "pending" for row in self.payments.values()) == (self.site.paying is not None)
        open_ones = {key for key, row in self.invoices.items() if row["status"] == "open"}
        known = {one.invoice_id for one in (self.site.owed, self.site.paying) if one}
        assert open_ones == known


def live(lab, steps):
    for kind, given_ in steps:
        OUTSIDE.get(kind, Watched.ask)(lab, kind, given_)
        lab.check_books()
        if lab.site.state == "deleted":
            return


OUTSIDE = {
    "advance": lambda lab, _, length: lab.advance(**length),
    "jump": lambda lab, _, length: lab.jump(**length),
    "answer": lambda lab, _, outcome: lab.hear(outcome),
    "claim": lambda lab, *_: lab.claim(),
    "use": lambda lab, _, agents: lab.use(agents),
    "retry_means": lambda lab, _, means: setattr(lab, "retry", means),
    "stuck": lambda lab, _, kinds: lab.leave_waiting(kinds),
}
"""What happens to a site and is no command."""


@settings(
    max_examples=int(os.environ.get("LAW_EXAMPLES", "300")), deadline=None, suppress_health_check=list(HealthCheck)
)
@given(st.lists(STEPS, min_size=1, max_size=25))
def test_no_walk_breaks_a_promise_and_every_firing_makes_progress(steps):
    lab = Watched()
    lab.say("start_trial", account="a", email="e@x.example")
    live(lab, steps)


@pytest.mark.parametrize("where", [name for name in STANDINGS if name not in {"deleted", "provisioning", "deleting"}])
def test_left_alone_every_site_comes_to_rest(where):
    lab = at(where)
    lab.stuck = set()
    lab.advance(days=400)
    assert lab.site.state in {"active", "deleted", "suspended"}


def test_an_early_timer_is_held_and_the_state_stands():
    lab = at("trial")
    lab.now = lab.site.trial_ends_at - TICK
    held = lab.judge("expire")
    assert (held.outcome, held.site) == ("refused", lab.site)
    lab.now += TICK
    assert lab.judge("expire").site.state == "expired"


def test_a_year_of_one_active_site_has_about_400_moments():
    lab = at("active")
    lab.advance(days=365)
    assert 370 < len(lab.fired) < 410


# Reminders


def test_a_plain_trial_is_reminded_7_3_and_1_days_before_its_end():
    lab = at("trial")
    for days, left in ((23, 7), (27, 3), (29, 1)):
        lab.advance_to(lab.site.ready_at + days * DAY - TICK, expecting=[])
        lab.advance(microseconds=1, expecting=["remind"])
        assert lab.letter("trial_ending")["days"] == left
    assert lab.sent()["trial_ending"] == 3


def test_a_subscribed_trial_is_told_of_its_first_charge_7_days_before_and_only_once():
    lab = at("trial_subscribed")
    lab.advance_to(lab.site.ready_at + 23 * DAY - TICK, expecting=[])
    lab.advance(microseconds=1, expecting=["remind"])
    facts = lab.letter("first_charge_soon")
    assert (facts["first_charge_at"], facts["amount_cents"]) == (lab.site.trial_ends_at, 6000)
    lab.advance_to(lab.site.trial_ends_at - TICK, expecting=[])


def test_a_reminder_is_sent_up_to_12_hours_late_and_dropped_after_that():
    fresh, stale = at("trial"), at("trial")
    fresh.jump(days=23, hours=12).advance(hours=0, expecting=["remind"])
    stale.jump(days=23, hours=12, microseconds=1).advance(hours=0, expecting=["remind"])
    assert (fresh.sent()["trial_ending"], stale.sent()["trial_ending"]) == (1, 0)


def test_after_a_silence_only_the_reminder_that_is_still_true_is_sent():
    lab = at("trial").jump(days=29, hours=6)
    lab.advance(hours=0, expecting=["remind", "remind", "remind"])
    assert lab.letter("trial_ending")["days"] == 1
    assert lab.sent()["trial_ending"] == 1


def test_an_extended_trial_is_reminded_before_its_new_end():
    lab = at("trial").advance(days=29, hours=12)
    lab.say("extend_trial", days=10)
    assert lab.timers()["remind"] == lab.site.trial_ends_at - 7 * DAY
    lab.advance(days=9)
    assert lab.sent()["trial_ending"] == 5


def test_an_expired_trial_that_is_extended_by_a_day_gets_no_reminder_of_the_past():
    lab = at("expired").advance(days=3)
    lab.say("extend_trial", days=1)
    assert "remind" not in lab.timers()
    lab.advance(days=1, microseconds=-1)
    assert lab.site.state == "trial"
    lab.advance(microseconds=1)
    assert lab.site.state == "expired"


def test_a_customer_who_came_back_gets_no_reminder_that_passed_while_away():
    lab = at("trial").advance(days=20)
    lab.say("cancel")
    lab.advance(days=6)
    lab.say("keep")
    lab.advance(hours=1)
    assert lab.sent()["trial_ending"] == 0
    lab.advance(days=1)
    assert lab.letter("trial_ending")["days"] == 3


# Nights


def test_the_first_night_comes_within_24_hours_of_ready_and_then_every_day():
    lab = at("trial")
    assert TICK <= next_night(lab.site) - lab.now <= DAY
    lab.advance(days=10)
    assert lab.fired.count("back_up_nightly") == 10
    assert timedelta(0) <= offset(lab.site.id) < DAY


def test_nights_are_the_same_time_of_day_however_late_one_was():
    lab = at("trial").advance(days=2)
    due = lab.timers()["back_up_nightly"]
    lab.jump(days=3, hours=7)
    lab.advance(hours=0)
    after = lab.timers()["back_up_nightly"]
    assert after > lab.now
    assert (after - due) % DAY == timedelta(0)
    assert lab.fired.count("back_up_nightly") == 3


def test_a_site_that_is_offline_has_no_nights():
    for where in ("operator", "nonpayment", "cancelled", "expired", "failed", "provisioning"):
        assert "back_up_nightly" not in at(where).timers()


def test_a_site_without_a_ready_moment_has_no_night():
    assert next_night(at("provisioning").site) is None


def test_nothing_is_due_where_no_site_is():
    assert engine.timers(None, engine.Policy()) == {}


# Silence


def test_after_a_silence_of_months_each_period_is_charged_a_day_apart():
    lab = at("active").jump(days=95)
    lab.advance(days=6)
    moments = [row["at"] for row in lab.payments.values()]
    assert all(later - earlier >= DAY for earlier, later in pairwise(moments))
    assert lab.site.period_ends_at > lab.now
    spans = lab.paid()
    assert all(end == start for (_, end), (start, _) in pairwise(spans))


def test_a_retry_that_succeeds_late_is_not_followed_by_a_renewal_on_the_same_day():
    lab = at("past_due")
    lab.say("update_payment", payment_method="pm_silent")
    lab.jump(days=40)
    lab.answer("succeeded")
    assert lab.site.period_ends_at < lab.now
    lab.advance(days=1, microseconds=-1)
    assert len(lab.payments) == 2
    lab.advance(microseconds=1)
    assert len(lab.payments) == 3


def test_a_dunning_ladder_that_was_asleep_tries_once_and_gives_its_notice_first():
    lab = at("past_due").jump(days=30)
    lab.advance(hours=1)
    assert lab.site.state == "past_due"
    assert lab.sent()["suspension_near"] == 1
    near = lab.letter("suspension_near")["suspends_at"]
    assert near >= lab.now + 2 * DAY - HOUR
    lab.advance_to(near - TICK)
    assert lab.site.state == "past_due"
    lab.advance(microseconds=1)
    assert lab.site.state == "suspended"


class Witness(engine.Site):
    """A site that notes which of its facts are looked at."""

    def __getattribute__(self, name):
        if name != "__dict__":
            object.__getattribute__(self, "__dict__").setdefault("seen", set()).add(name)
        return object.__getattribute__(self, name)


@pytest.mark.parametrize("where", [name for name in STANDINGS if name != "deleted"])
def test_no_timer_looks_at_a_fact_of_which_it_is_said_that_none_does(where):
    site = object.__new__(Witness)
    site.__dict__.update(at(where).site.__dict__)
    site.__dict__.pop(DERIVED, None)
    assert engine.timers(site, POLICY) == engine.timers(at(where).site, POLICY)
    assert "state" in site.__dict__["seen"]
    assert not site.__dict__["seen"] & engine.UNTIMED
