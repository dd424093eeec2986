"""A long effect keeps its claim, and says that it goes on."""

import json
from datetime import timedelta
from threading import Event

from models import claims, effect
from models.clock import machine_now
from models.database import reading, writing
from tests.conftest import Nowhere
from tests.world import World
from workers.base import logs
from workers.effects.lease import keeping


class Heard:
    """A log that tells when it has a line about an effect that goes on."""

    def __init__(self):
        self.lines, self.goes_on = [], Event()

    def write(self, text):
        self.lines.append(json.loads(text))
        if self.lines[-1]["msg"] == "started":
            self.goes_on.set()

    def flush(self):
        return None

    def isatty(self):
        return False


def test_a_long_effect_keeps_its_claim_and_says_that_it_goes_on(tmp_path, redis_url, databases):
    world = World(tmp_path / "data", redis_url, LEASE_SECONDS="0.3", **databases())
    world.say("start_trial", account="acme", email="owner@acme.example")
    with writing(world.context.database) as tx:
        (row,) = claims.take(tx, world.wakeups.waiting[:1], machine_now(), timedelta(seconds=0.3)).values()
    heard = Heard()
    logs.configure("json", heard)

    with keeping(world.context, row):
        assert heard.goes_on.wait(20)
    logs.configure("json", Nowhere())

    line = next(one for one in heard.lines if one["msg"] == "started")
    assert (line["effect"], line["attempt"], line["effect_id"]) == ("provision", 1, row.id)
    with reading(world.context.database) as tx:
        assert effect.find(tx, row.id).leased_until > row.leased_until
    world.close()
