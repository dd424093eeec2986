"""Every alarm is an event with its remedy and a line of the log, whichever path led to it."""

import ast
import json
from pathlib import Path

import pytest

from engine.alarms import ALARMS, alarm
from models import safety
from models.clock import machine_now
from models.database import writing
from workers.base.errors import Permanent
from workers.cli import contract_document
from workers.commands import dead_letters
from workers.safety import breaker, safe_mode

ROOT = Path(__file__).parents[2]


MOVES_OF_A_DELETION = {"site.delete", "site.removal_began", "site.site_deleted"}


def lines(log_lines):
    return [json.loads(line) for line in log_lines.read_text().splitlines()]


def logged(log_lines, code):
    return [
        line for line in lines(log_lines) if line["msg"] in {"alarm", "tripped", "paused"} and line.get("code") == code
    ]


def test_a_charge_that_succeeds_after_the_cancellation_is_logged_though_an_effect_led_to_it(world, log_lines):
    world.start_active()
    world.say("change_plan", agents=9)
    (charge,) = [one for one in world.open_effects() if ":charge:" in one]
    world.wakeups.waiting.clear()
    cancelled_meanwhile(world, charge)
    (event,) = world.events("alarm.raised")
    assert (event["data"]["code"], event["data"]["do"]) == ("refund.due", ALARMS["refund.due"])
    (line,) = logged(log_lines, "refund.due")
    assert line["site"] == "acme.example.com"
    assert ALARMS["refund.due"] in line["error"]


def cancelled_meanwhile(world, charge):
    """The customer cancels while a worker has the charge."""
    real = world.context.payments

    class Slow:
        def __getattr__(self, name):
            return getattr(real, name)

        def charge(self, asked):
            world.say("cancel")
            return real.charge(asked)

    world.context.__dict__["payments"] = Slow()
    world.wakeups.waiting.append(charge)
    world.rest()


def test_a_notice_that_bounced_is_logged_though_a_command_led_to_it(world, log_lines):
    world.start_active(agents=3)
    world.send("cancel")
    world.advance(days=13)
    bounced = {"letter": "deletion_in_48_hours", "address": "owner@acme.example.com", "reason": "550 no such mailbox"}
    assert world.send("mail_bounced", **bounced)["outcome"] == "applied"
    (event,) = world.events("alarm.raised")
    assert event["data"]["code"] == "notice.bounced"
    (line,) = logged(log_lines, "notice.bounced")
    assert line["site"] == "acme.example.com"


@pytest.mark.parametrize("leave", ["resume", "safe mode"])
def test_a_late_customer_who_is_told_anew_is_in_the_log(world, log_lines, leave):
    world.start_trial()
    world.send("cancel")
    world.advance(days=12)
    breaker.pause(world.context)
    world.advance(days=3)

    if leave == "resume":
        breaker.resume(world.context, 1)
    else:
        safe_mode.leave(world.context)

    (line,) = [line for line in lines(log_lines) if line.get("command") == "site.tell_again"]
    assert (line["msg"], line["from"], line["to"]) == ("moved", "cancelled", "cancelled")


def test_a_deletion_that_begins_and_ends_is_in_the_events_and_in_the_log(world, log_lines):
    world.start_trial()
    world.send("cancel")
    world.advance(days=14)
    of_deletion = [line for line in lines(log_lines) if line.get("command") in MOVES_OF_A_DELETION]
    assert [(line["command"], line["from"], line["to"]) for line in of_deletion] == [
        ("site.delete", "cancelled", "deleting"),
        ("site.removal_began", "deleting", "deleting"),
        ("site.site_deleted", "deleting", "deleted"),
    ]
    types = [event["type"] for event in world.events() if event["type"] in {"site.deleted", "site.moved"}]
    assert types[-3:] == ["site.moved", "site.deleted", "site.moved"]


def test_what_an_operator_retries_or_drops_is_in_the_log_with_the_command_it_goes_back_to(
    world, log_lines, monkeypatch
):
    world.start_trial()
    monkeypatch.setattr(world.context.downloads, "build", refuse)
    export = world.send("export", extra={"correlationid": "order-7"})["command"]["id"]
    for verb in (dead_letters.retry, dead_letters.drop):
        (dead,) = dead_letters.listing(world.context)["dead"]
        verb(world.context, dead["id"])
        world.rest()
    told = [line for line in lines(log_lines) if line.get("command") in {"site.effect_retried", "site.effect_dropped"}]
    assert [line["command"] for line in told] == ["site.effect_retried", "site.effect_dropped"]
    assert {(line["command_id"], line["correlation_id"]) for line in told} == {(export, "order-7")}


def refuse(*_given):
    raise Permanent("the store is full")


def test_safe_mode_and_a_tripped_breaker_carry_code_and_remedy(world):
    with writing(world.context.database) as tx:
        safety.note(tx, machine_now())
    data = alarm("safe_mode", "the wall clock jumped")
    assert data == {
        "code": "safe_mode",
        "what": "the wall clock jumped",
        "do": ALARMS["safe_mode"],
        "alarm": "safe_mode",
        "error": "the wall clock jumped",
    }
    with pytest.raises(KeyError):
        alarm("no.such", "?")


def test_the_contract_lists_every_alarm_with_its_remedy():
    assert contract_document.contract()["alarms"] == ALARMS
    assert all(ALARMS.values())


def test_no_alarm_is_raised_but_by_the_closed_list():
    """Whoever writes the event by hand goes around the list: the sources are read for it."""
    for path in [*ROOT.glob("engine/*.py"), *ROOT.glob("workers/**/*.py"), *ROOT.glob("models/*.py")]:
        for call in ast.walk(ast.parse(path.read_text())):
            if not isinstance(call, ast.Call):
                continue
            words = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
            if "alarm.raised" not in words:
                continue
            given = [ast.unparse(arg) for arg in call.args] + [ast.unparse(one.value) for one in call.keywords]
            assert any("alarm(" in one for one in given), f"{path.name}:{call.lineno}"
