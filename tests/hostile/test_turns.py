"""A site that asks for thousands of letters keeps no other site waiting: real processes, the quota switched off."""

import time

import pytest

from models.database import reading
from models.effect import unfinished
from tests.live_engine import until
from workers.cli import sending
from workers.cli.exit_codes import NotFoundError

HOT = "hot.example.com"


def ask_for_letters(live, commands):
    """Enqueue them all at once, as a producer without manners does."""
    context = live.context
    for number in range(commands):
        fields = (f"email=o{number}@hot.example.com",)
        sending.enqueue(context, sending.envelope("update_contact", HOT, fields, source="tests", key=None, extra={}))


def seconds_of_a_trial(live, host):
    """From the command to the site that is ready."""
    started = time.monotonic()
    live.say("start_trial", "account=acme", f"email=owner@{host}", host=host)
    until(lambda: is_ready(live, host), 120)
    return time.monotonic() - started


def is_ready(live, host):
    try:
        return live.show(host)["state"] == "trial"
    except NotFoundError:
        return False


def open_effects(context):
    with reading(context.database) as tx:
        return len(unfinished(tx))


@pytest.mark.parametrize("commands", [300, pytest.param(3000, marks=pytest.mark.long)])
def test_hundreds_of_letters_to_one_site_keep_no_other_trial_waiting(live, commands):
    live.start(SITE_COMMANDS_PER_MINUTE="0")
    live.start_trial(HOT)
    alone = min(seconds_of_a_trial(live, f"quiet{number}.example.com") for number in range(3))

    ask_for_letters(live, commands)
    at_once = seconds_of_a_trial(live, "behind.example.com")
    context = live.context
    until(lambda: context.redis.llen("dramatiq:lifecycle") == 0, 60)
    assert open_effects(context) > commands
    beside = min(seconds_of_a_trial(live, f"beside{number}.example.com") for number in range(3))
    waiting = open_effects(context)

    assert waiting > 0
    assert beside < alone + 1
    assert at_once < alone + 5  # the commands before it are judged first: that takes a busy machine a moment
    assert context.redis.hlen("dramatiq:effects.msgs") < 20
