"""The acts of a trial as a bare actor of Dramatiq does them: our adapters, nothing kept, nothing promised."""

import os
from datetime import UTC, datetime
from pathlib import Path

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from workers.adapters.mailer import Mail
from workers.base import logs
from workers.base.settings import load
from workers.context import Context
from workers.effects.letters import letter

logs.configure("json", Path(os.devnull).open("w"))  # noqa: SIM115 - for the life of the process
dramatiq.set_broker(RedisBroker(url=os.environ["BENCH_REDIS_URL"]))
CONTEXT = Context(load())
DONE = "bench:done"


@dramatiq.actor(queue_name="bare")
def act(kind, site_id, hostname, email):
    """One act; the first is followed by the two others."""
    key = f"{site_id}:0:{kind}"
    if kind == "provision":
        CONTEXT.host.provision(site_id, hostname=hostname, email=email, agents=5, key=key)
        act.send("bring_online", site_id, hostname, email)
        act.send("mail", site_id, hostname, email)
    elif kind == "bring_online":
        CONTEXT.host.set_agent_limit(site_id, 5, key=key)
        CONTEXT.host.bring_online(site_id, key=key)
    else:
        now = datetime.now(UTC)
        facts = {"site": hostname, "email": email, "account": "a", "trial_ends_at": now, "agents_allowed": 5}
        written = letter("welcome", {**facts, "plan_agents": None})
        CONTEXT.mailer.send(Mail(key, email, written.subject, written.body, now))
    CONTEXT.redis.incr(DONE)
