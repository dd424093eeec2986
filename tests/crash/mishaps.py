"""What goes wrong in an unlucky life: the law, the outside, other workers."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import engine
from models import effect
from models.clock import machine_now
from models.database import reading, writing
from tests.live_engine import until
from workers.base.errors import Permanent, Temporary
from workers.effects import executor as effects
from workers.effects.registry import EFFECTS


class Mishaps:
    """Put in place for one life; marks in its world say what has been mended, and outlive a death."""

    def __init__(self, world, patch):
        self.world = world
        self.patch = patch
        self.decide = engine.decide

    def prepare(self):
        self.patch.setattr(engine, "decide", self.law)
        self.patch.setattr(self.world, "bring_forward", partial(self.bring_forward, self.world.bring_forward))
        for kind, definition in list(EFFECTS.items()):
            unlucky = replace(definition, handler=partial(self.act, kind, definition.handler))
            self.patch.setitem(EFFECTS, kind, unlucky)

    def law(self, site, command, now, policy):
        broken = {"site.expire": "timer", "site.back_up": "law", "site.suspend": "queue"}.get(command.type)
        if broken and not self.world.is_marked(broken):
            raise LookupError("the law met a fact that is not set")
        return self.decide(site, command, now, policy)

    def bring_forward(self, real, queue):
        self.world.mark("queue")
        real(queue)

    def act(self, kind, act, place, work):
        is_about_the_contact = work.args.get("letter") == "contact_changed"
        if is_about_the_contact or (kind == "export" and not self.world.is_marked("outside")):
            raise Permanent("the outside said no")
        if work.row.attempt == 1:
            self.first_time(kind, place, work)
        return act(place, work)

    def first_time(self, kind, place, work):
        if kind == "provision":
            raise Temporary("the builder is busy")
        if kind == "take_offline":
            until(lambda: row_of(place, work).leased_until > work.row.leased_until)
        if kind in {"bring_online", "delete"}:
            overtake(place, work)


def overtake(place, work):
    """Another worker takes the claim as if its lease had run out, and does it all."""
    while row_of(place, work).fence == work.row.fence:
        long_ago = machine_now() - timedelta(minutes=1)
        with writing(place.database) as tx:
            tx.execute(effect.EFFECTS.update().where(effect.EFFECTS.c.id == work.row.id).values(leased_until=long_ago))
        effects.run(place, work.row.id)


def row_of(place, work):
    with reading(place.database) as tx:
        return effect.find(tx, work.row.id)
