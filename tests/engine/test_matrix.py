"""The matrix of design.md, cell by cell: the expected answer is written down here and derived from nothing."""

import pytest

import engine
from tests.engine.lab import DAY, STANDINGS, T0, at

ANSWERS = {
    "ok": ("applied", None),
    "=": ("no_op", None),
    "x": ("refused", "state.illegal"),
    "limit": ("refused", "agents.trial_limit"),
    "taken": ("refused", "host.taken"),
    "gone": ("refused", "site.deleted"),
    "none": ("refused", "invoice.unknown"),
}

COLUMNS = (
    *("provisioning", "failed", "trial", "trial_subscribed", "active", "past_due"),
    *("nonpayment", "operator", "cancelled", "expired", "deleting", "deleted"),
)

# `cancelled` has a paid period with time left, `expired` has none; `operator` was active; the plan has 3 agents.
MATRIX = """
                   prov   failed trial  t_sub  active p_due  nonpay oper   cancel expire deltng deleted
start_trial        taken  taken  taken  taken  taken  taken  taken  taken  taken  taken  taken  ok
subscribe          ok     x      ok     x      x      x      x      x      ok     ok     x      gone
subscribe:same     ok     x      ok     =      =      x      x      x      ok     ok     x      gone
change_plan:more   x      x      x      ok     ok     x      x      x      x      x      x      gone
change_plan:6      x      x      limit  ok     ok     x      x      x      x      x      x      gone
change_plan:fewer  x      x      x      ok     ok     x      x      ok     x      x      x      gone
change_plan:same   x      x      x      =      =      x      x      =      x      x      x      gone
pay                x      x      =      =      =      ok     ok     =      =      =      x      gone
update_payment     x      x      x      ok     ok     ok     ok     ok     x      x      x      gone
cancel             ok     ok     ok     ok     ok     ok     ok     ok     =      =      =      gone
cancel:period_end  x      x      =      ok     ok     x      x      x      =      =      =      gone
keep               x      x      =      =      =      =      x      x      ok     x      x      gone
update_contact     ok     ok     ok     ok     ok     ok     ok     ok     ok     ok     x      gone
update_contact:old =      =      =      =      =      =      =      =      =      =      x      gone
export             x      x      ok     ok     ok     ok     ok     ok     ok     ok     x      gone
export:customer    x      x      ok     ok     ok     ok     ok     x      ok     ok     x      gone
back_up            x      x      ok     ok     ok     ok     x      x      x      x      x      gone
restore            x      x      ok     ok     ok     ok     x      x      x      x      x      gone
extend_trial       x      x      ok     ok     x      x      x      x      x      ok     x      gone
suspend            x      x      ok     ok     ok     ok     ok     =      ok     ok     x      gone
resume             x      x      x      x      x      x      x      ok     x      x      x      gone
hold               ok     ok     ok     ok     ok     ok     ok     ok     ok     ok     ok     gone
release            =      =      =      =      =      =      =      =      =      =      =      gone
waive              x      x      x      x      x      x      x      x      ok     ok     x      gone
record_refund      x      x      x      x      none   none   none   none   none   x      x      gone
mail_bounced       =      =      =      =      =      =      ok     =      =      =      =      gone
retry              =      ok     =      =      =      =      =      =      =      =      ok     gone
provisioned        ok     =      =      =      =      =      =      =      =      =      =      gone
provision_failed   ok     =      =      =      =      =      =      =      =      =      =      gone
remind             =      =      x      x      =      =      =      =      =      =      =      gone
expire             =      =      x      =      =      =      =      =      =      =      =      gone
renew              =      =      =      x      x      =      =      =      =      =      =      gone
retry_charge       =      =      =      =      =      x      =      =      =      =      =      gone
give_up            =      =      =      =      =      =      x      =      =      =      =      gone
end_period         =      =      =      =      x      x      =      =      =      =      =      gone
back_up_nightly    =      =      x      x      x      x      =      =      =      =      =      gone
warn               =      =      =      =      =      =      =      =      x      x      x      gone
delete             =      x      =      =      =      =      =      =      x      x      =      gone
tell_again         =      =      =      =      =      =      =      =      =      =      ok     gone
removal_began      =      =      =      =      =      =      =      =      =      =      ok     gone
charge_succeeded   =      =      =      =      =      =      =      =      =      =      =      gone
charge_declined    =      =      =      =      =      =      =      =      =      =      =      gone
export_ready       =      =      ok     ok     ok     ok     ok     ok     ok     ok     =      gone
export_told        =      =      =      =      =      =      =      =      ok     ok     =      gone
backup_verified    =      =      =      =      =      =      =      =      ok     ok     =      gone
restored           =      =      ok     ok     ok     ok     ok     ok     ok     ok     =      gone
suspension_noticed =      =      =      =      =      =      =      =      =      =      =      gone
notice_sent        =      =      =      =      =      =      =      =      ok     ok     ok     gone
gave_up            ok     ok     ok     ok     ok     ok     ok     ok     ok     ok     ok     gone
effect_done        =      =      =      =      =      =      =      =      =      =      =      gone
effect_retried     =      =      =      =      =      =      =      =      =      =      =      gone
effect_dropped     =      =      =      =      =      =      =      =      =      =      =      gone
site_deleted       =      =      =      =      =      =      =      =      =      =      ok     gone
"""

DATA = {
    "start_trial": {"account": "other", "email": "o@other.example"},
    "subscribe": {"agents": 4, "payment_method": "pm_new"},
    "subscribe:same": {"agents": 3, "payment_method": "pm_ok"},
    "change_plan:more": {"agents": 5},
    "change_plan:6": {"agents": 6},
    "change_plan:fewer": {"agents": 2},
    "change_plan:same": {"agents": 3},
    "update_payment": {"payment_method": "pm_new"},
    "cancel:period_end": {"when": "period_end"},
    "update_contact": {"email": "new@acme.example"},
    "update_contact:old": {"email": "owner@acme.example"},
    "restore": {"from": "previous_day"},
    "restored": {"taken_at": T0},
    "extend_trial": {"days": 7},
    "suspend": {"reason": "abuse"},
    "hold": {"reason": "a court"},
    "waive": {"guard": "export", "reason": "lost"},
    "record_refund": {"invoice": "inv_of_another", "reference": "re_1", "reason": "asked"},
    "mail_bounced": {"letter": "suspension_near", "address": "owner@acme.example", "reason": "550"},
    "provision_failed": {"kind": "provision", "error": "no room"},
    "charge_succeeded": {"payment_id": "an old one"},
    "charge_declined": {"payment_id": "an old one"},
    "export_ready": {"generation": 1, "url": "file:///x", "bytes": 1, "sha256": "0"},
    "export_told": {"generation": 1},
    "backup_verified": {"generation": 1, "purpose": "final"},
    "suspension_noticed": {"invoice_id": "an old one"},
    "notice_sent": {"generation": 1, "letter": "deletion_in_48_hours"},
    "gave_up": {"kind": "back_up", "error": "no room"},
    "effect_done": {"kind": "set_agent_limit"},
    "effect_retried": {"effect": "an old one", "kind": "export"},
    "effect_dropped": {"effect": "an old one", "kind": "export"},
    "site_deleted": {"removed": {}},
}

ROWS = {words[0]: words[1:] for line in MATRIX.strip("\n").splitlines()[1:] if (words := line.split())}
CELLS = [(row, where, answer) for row, line in ROWS.items() for where, answer in zip(COLUMNS, line, strict=True)]


@pytest.fixture(scope="module")
def labs():
    return {name: at(name) for name in STANDINGS}


@pytest.mark.parametrize(("row", "where", "answer"), CELLS, ids=str)
def test_the_cell_answers_as_written(labs, row, where, answer):
    lab = labs[where]

    decision = lab.judge(row.partition(":")[0], DATA.get(row, {}), by_customer=row.endswith(":customer"))

    assert (decision.outcome, decision.code) == ANSWERS[answer]
    if decision.outcome != "applied":
        assert decision.site == decision.before
        assert not any((decision.effects, decision.entries, decision.events, decision.charge))


def test_the_matrix_has_every_command_and_every_state():
    assert {f"site.{row.partition(':')[0]}" for row in ROWS} == {*engine.PUBLIC, *engine.INTERNAL}
    assert set(COLUMNS) == set(STANDINGS)
    assert {at(name).site.state for name in STANDINGS} == set(engine.STATES)


@pytest.mark.parametrize("kind", sorted(engine.PUBLIC))
def test_a_subject_that_is_no_site_is_unknown_to_all_but_start_trial(kind):
    lab = at("trial")
    lab.site = None

    decision = lab.judge(kind.removeprefix("site."), DATA["start_trial"])

    expected = "applied" if kind == "site.start_trial" else "refused"
    assert decision.outcome == expected
    assert decision.code == (None if expected == "applied" else "site.unknown")


# Where the answer hangs on a guard: (standing, what happened before, the command and its data, the answer)

PENDING = [("update_payment", {"payment_method": "pm_silent"}), ("change_plan", {"agents": 9})]
LEAVE_ENDING = [("cancel", {"when": "period_end"})]
HELD = [("hold", {"reason": "a court"})]
SUSPENDED = [("suspend", {"reason": "abuse"})]
RETURNING = [("subscribe", {"agents": 3, "payment_method": "pm_silent"})]
SUBSCRIBE = {"agents": 4, "payment_method": "pm_new"}
SERVED = ("trial", "trial_subscribed", "active", "past_due")

GUARDS = [
    # P: a payment is open
    ("active", PENDING, "change_plan", {"agents": 10}, "payment.pending"),
    ("active", PENDING, "change_plan", {"agents": 3}, "payment.pending"),
    ("active", PENDING, "change_plan", {"agents": 2}, "payment.pending"),
    ("active", PENDING, "pay", {}, "no_op"),
    ("active", PENDING, "update_payment", {"payment_method": "pm_new"}, "applied"),
    ("active", PENDING, "cancel", {}, "applied"),
    ("past_due", [("pay", {"payment_method": "pm_silent"})], "pay", {}, "payment.pending"),
    ("past_due", [("pay", {"payment_method": "pm_silent"})], "update_payment", {"payment_method": "pm_ok"}, "applied"),
    ("past_due", [("pay", {"payment_method": "pm_silent"})], "retry_charge", {}, "state.illegal"),
    ("nonpayment", [("pay", {"payment_method": "pm_silent"})], "pay", {}, "payment.pending"),
    ("nonpayment", [("pay", {"payment_method": "pm_silent"})], "give_up", {}, "payment.pending"),
    ("expired", RETURNING, "subscribe", SUBSCRIBE, "payment.pending"),
    ("expired", RETURNING, "keep", {}, "payment.pending"),
    ("expired", RETURNING, "extend_trial", {"days": 7}, "payment.pending"),
    ("expired", RETURNING, "delete", {}, "state.illegal"),
    # ending
    ("active", LEAVE_ENDING, "keep", {}, "applied"),
    ("active", LEAVE_ENDING, "cancel", {"when": "period_end"}, "no_op"),
    ("active", LEAVE_ENDING, "cancel", {}, "applied"),
    ("active", LEAVE_ENDING, "change_plan", {"agents": 9}, "applied"),
    ("active", LEAVE_ENDING, "renew", {}, "state.illegal"),
    ("trial_subscribed", LEAVE_ENDING, "keep", {}, "applied"),
    ("trial_subscribed", LEAVE_ENDING, "cancel", {"when": "period_end"}, "no_op"),
    ("trial_subscribed", LEAVE_ENDING, "subscribe", SUBSCRIBE, "applied"),
    ("trial_subscribed", LEAVE_ENDING, "change_plan", {"agents": 4}, "state.illegal"),
    # a reduction that waits
    ("active", [("change_plan", {"agents": 1})], "change_plan", {"agents": 3}, "applied"),
    ("active", [("change_plan", {"agents": 1})], "change_plan", {"agents": 1}, "no_op"),
    ("active", [("change_plan", {"agents": 1})], "change_plan", {"agents": 2}, "applied"),
    # an operator's suspension
    ("trial", SUSPENDED, "subscribe", SUBSCRIBE, "applied"),
    ("trial", SUSPENDED, "extend_trial", {"days": 7}, "applied"),
    ("trial", SUSPENDED, "update_payment", {"payment_method": "pm_new"}, "state.illegal"),
    ("trial", SUSPENDED, "change_plan", {"agents": 2}, "state.illegal"),
    ("trial", SUSPENDED, "pay", {}, "no_op"),
    ("trial_subscribed", SUSPENDED, "subscribe", SUBSCRIBE, "state.illegal"),
    ("trial_subscribed", SUSPENDED, "extend_trial", {"days": 7}, "applied"),
    ("trial_subscribed", SUSPENDED, "change_plan", {"agents": 2}, "applied"),
    ("trial_subscribed", SUSPENDED, "change_plan", {"agents": 4}, "state.illegal"),
    ("trial_subscribed", SUSPENDED, "keep", {}, "state.illegal"),
    ("past_due", SUSPENDED, "pay", {}, "applied"),
    ("past_due", SUSPENDED, "change_plan", {"agents": 2}, "applied"),
    ("operator", [("change_plan", {"agents": 1})], "change_plan", {"agents": 3}, "applied"),
    ("operator", [("change_plan", {"agents": 1})], "change_plan", {"agents": 1}, "no_op"),
    ("nonpayment", SUSPENDED, "suspend", {"reason": "more"}, "no_op"),
    ("nonpayment", SUSPENDED, "pay", {}, "applied"),
    ("nonpayment", SUSPENDED, "give_up", {}, "no_op"),
    ("nonpayment", SUSPENDED, "resume", {}, "applied"),
    ("cancelled", SUSPENDED, "subscribe", SUBSCRIBE, "state.illegal"),
    ("cancelled", SUSPENDED, "keep", {}, "state.illegal"),
    ("cancelled", SUSPENDED, "suspend", {"reason": "more"}, "no_op"),
    ("cancelled", SUSPENDED, "resume", {}, "applied"),
    ("expired", SUSPENDED, "extend_trial", {"days": 7}, "state.illegal"),
    ("expired", SUSPENDED, "resume", {}, "applied"),
    # one at a time
    ("trial", [], "export", {"under_way": "export"}, "no_op"),
    ("trial", [], "export", {"under_way": "back_up restore"}, "applied"),
    ("cancelled", [], "export", {"under_way": "export"}, "no_op"),
    ("operator", [], "export", {"under_way": "export"}, "no_op"),
    ("nonpayment", [], "export", {"under_way": "export"}, "no_op"),
    ("deleting", [], "export", {"under_way": "export"}, "state.illegal"),
    *((where, [], "back_up", {"under_way": "back_up"}, "no_op") for where in SERVED),
    *((where, [], "back_up", {"under_way": "export restore"}, "applied") for where in SERVED),
    ("cancelled", [], "back_up", {"under_way": "back_up"}, "state.illegal"),
    *((where, [], "restore", {"from": "previous_day", "under_way": "restore"}, "work.pending") for where in SERVED),
    ("trial", [], "restore", {"from": "previous_day", "under_way": "export back_up"}, "applied"),
    ("trial", HELD, "restore", {"from": "previous_day", "under_way": "restore"}, "hold.active"),
    ("cancelled", [], "restore", {"from": "previous_day", "under_way": "restore"}, "state.illegal"),
    # a hold
    ("trial", HELD, "hold", {"reason": "another"}, "no_op"),
    ("trial", HELD, "release", {}, "applied"),
    ("trial", HELD, "cancel", {}, "applied"),
    ("trial", HELD, "export", {}, "applied"),
    ("expired", HELD, "warn", {}, "state.illegal"),
    ("expired", HELD, "delete", {}, "state.illegal"),
    ("deleting", HELD, "release", {}, "applied"),
    ("trial", HELD, "restore", {"from": "previous_day"}, "hold.active"),
    # a restore point that exists, one that does not, an id
    ("active", [], "restore", {"from": "7_day"}, "applied"),
    ("trial", [], "restore", {"from": "7_day"}, "restore.no_such_point"),
    ("trial", [], "restore", {"from": "bkp_1"}, "applied"),
    ("trial", [], "restore", {"from": "bkp_2"}, "restore.no_such_point"),
    # what gave up
    ("trial", [("gave_up", {"kind": "back_up", "error": "x"})], "retry", {}, "applied"),
    ("operator", [("gave_up", {"kind": "back_up", "error": "x"})], "retry", {}, "applied"),
    ("expired", [("waive", {"guard": "notice", "reason": "x"})], "waive", {"guard": "notice", "reason": "x"}, "no_op"),
    (
        "expired",
        [("waive", {"guard": "notice", "reason": "x"})],
        "waive",
        {"guard": "export", "reason": "x"},
        "applied",
    ),
    # a cancellation for the period's end
    ("nonpayment", [], "keep", {}, "state.illegal"),
    ("active", [*LEAVE_ENDING, *SUSPENDED], "keep", {}, "applied"),
    ("trial_subscribed", [*LEAVE_ENDING, *SUSPENDED], "keep", {}, "applied"),
    ("trial", SUSPENDED, "keep", {}, "state.illegal"),
    ("active", LEAVE_ENDING, "subscribe", {"agents": 3, "payment_method": "pm_ok"}, "applied"),
    ("active", LEAVE_ENDING, "subscribe", SUBSCRIBE, "applied"),
    ("active", [], "subscribe", {"agents": 3, "payment_method": "pm_ok"}, "no_op"),
    ("active", [], "subscribe", SUBSCRIBE, "state.illegal"),
    ("active", [*PENDING, *LEAVE_ENDING], "subscribe", SUBSCRIBE, "payment.pending"),
    # a deletion that has begun to remove
    ("deleting", [("removal_began", {})], "tell_again", {}, "no_op"),
    # evidence of another generation
    ("expired", [], "export_ready", {"generation": 0}, "applied"),
    ("expired", [], "backup_verified", {"generation": 0, "purpose": "final"}, "no_op"),
    ("expired", [], "backup_verified", {"generation": 1, "purpose": "nightly"}, "no_op"),
    ("expired", [], "notice_sent", {"generation": 0}, "no_op"),
]


@pytest.mark.parametrize(("where", "before", "kind", "data", "answer"), GUARDS)
def test_a_guard_decides_as_written(where, before, kind, data, answer):
    lab = at(where)
    for earlier, given in before:
        assert lab.say(earlier, **given).outcome == "applied"

    under_way = frozenset(data.get("under_way", "").split())
    asked = {name: value for name, value in data.items() if name != "under_way"}

    decision = lab.judge(kind, asked, under_way=under_way)

    assert answer in {decision.outcome, decision.code}


@pytest.mark.parametrize("where", ["trial", "trial_subscribed", "active", "cancelled", "expired", "operator"])
def test_a_plan_below_the_agents_in_use_is_refused_and_says_how_many_to_remove(where):
    lab = at(where)
    lab.use(3)
    kind = "subscribe" if where in {"trial", "cancelled", "expired"} else "change_plan"

    decision = lab.judge(kind, {"agents": 2, "payment_method": "pm_ok"})

    assert decision.code == "agents.below_used"
    assert "remove 1 agent" in decision.message
    assert lab.judge(kind, {"agents": 3, "payment_method": "pm_x"}).code != "agents.below_used"


def test_a_site_cancelled_before_it_was_ready_is_taken_down_when_the_builder_reports():
    lab = at("provisioning")
    lab.say("cancel")

    decision = lab.say("provisioned")

    assert [effect.kind for effect in decision.effects] == ["take_offline"]
    assert lab.judge("subscribe", SUBSCRIBE).code == "state.illegal"
    assert lab.judge("keep").code == "state.illegal"
    assert lab.judge("export").code == "state.illegal"


def test_keep_has_no_time_left_to_return_to_once_the_period_is_over():
    lab = at("cancelled")
    lab.now = lab.site.period_ends_at - DAY / DAY.total_seconds()
    assert lab.judge("keep").outcome == "applied"

    lab.now = lab.site.period_ends_at
    refused = lab.judge("keep")
    assert refused.code == "state.illegal"
    assert "site.subscribe" in refused.message
