"""A mail server that works for nobody: no letter is given up, operators are told once, all go out in the end."""

import json

import pytest

from engine.alarms import ALARMS
from workers.adapters.mailer import MailOutage
from workers.base.errors import Temporary
from workers.effects import executor, outage_alarm

RELAY = "the mail server answered RCPT with 550 '5.7.1 relaying denied'"


class Away:
    """A mailer that fails until the test ends it."""

    def __init__(self, real, error):
        self.real, self.error = real, error

    def send(self, mail):
        if self.error:
            raise self.error
        self.real.send(mail)

    def __getattr__(self, name):
        return getattr(self.real, name)


def away(world, error):
    mailer = Away(world.context.mailer, error)
    world.context.__dict__["mailer"] = mailer
    return mailer


def tried(world, times):
    for _ in range(times):
        world.retry_now()


def letter_of(world):
    return [event["type"] for event in world.events() if event["type"].startswith("effect.gave_up")]


def test_a_wrong_relay_setting_gives_up_no_letter_and_they_go_out_when_it_is_right(world):
    mailer = away(world, MailOutage(RELAY))
    world.start_trial()
    tried(world, 3 * executor.MOST_ATTEMPTS)
    assert letter_of(world) == []
    assert f"failed {executor.MOST_ATTEMPTS - executor.KEPT_ATTEMPTS} times: {RELAY}" in world.show()["attention"]
    mailer.error = None
    tried(world, 1)
    assert world.show()["attention"] is None
    assert len(world.mails()) == len(world.letters()) == 1


def test_the_alarm_is_raised_once_for_all_letters_and_from_the_second_failure(world, log_lines):
    away(world, MailOutage(RELAY))
    world.start_trial()
    assert world.events("alarm.raised") == []
    tried(world, 5)
    (event,) = world.events("alarm.raised")
    assert (event["data"]["code"], event["data"]["do"]) == ("mail.outage", ALARMS["mail.outage"])
    assert RELAY in event["data"]["what"]
    lines = [json.loads(line) for line in log_lines.read_text().splitlines()]
    assert [line["code"] for line in lines if line["msg"] == "alarm"] == ["mail.outage"]


def test_an_outage_that_lasts_is_told_again_after_an_hour(world):
    away(world, MailOutage(RELAY))
    world.start_trial()
    tried(world, 3)
    world.context.alarmed["mail.outage"] -= outage_alarm.AGAIN_SECONDS
    tried(world, 3)
    assert len(world.events("alarm.raised")) == 2


@pytest.mark.parametrize("left", [executor.KEPT_ATTEMPTS])
def test_a_letter_keeps_some_tries_for_its_own_faults(world, left):
    mailer = away(world, MailOutage(RELAY))
    world.start_trial()
    tried(world, 30)
    mailer.error = Temporary("450 mailbox busy")
    tried(world, left - 1)
    assert letter_of(world) == []
    tried(world, 1)
    assert letter_of(world) == ["effect.gave_up"]
