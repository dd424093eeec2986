"""Every alarm is an event with its remedy and a line of the log, whichever path led to it."""

import ast
import json
from pathlib import Path

import pytest

from engine.alarms import ALARMS, alarm
from models import safety
from models.clock import machine_now
from models.database import writing
from workers.cli import contract_document

ROOT = Path(__file__).parents[2]


def logged(log_lines, code):
    lines = [json.loads(line) for line in log_lines.read_text().splitlines()]
    return [line for line in lines if line["msg"] in {"alarm", "tripped", "paused"} and line.get("code") == code]


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
