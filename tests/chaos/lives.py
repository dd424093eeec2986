"""Customers: each starts, subscribes, is charged, adds agents, cancels and is deleted, whatever happens meanwhile."""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import count
from typing import Any

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from models.clock import engine_now
from models.database import reading
from tests.chaos.stage import Stage
from workers.cli import sending, test_clock
from workers.cli.duration import duration
from workers.cli.exit_codes import WaitOverError

PRODUCERS = 8
AWAY = (RedisError, SQLAlchemyError, OSError, WaitOverError)


class Lives:
    """Waves of sites that go through their lives together, for there is one engine time."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.numbers = count(1)
        self.answers: dict[str, dict[str, Any]] = {}
        self.bodies: dict[str, dict[str, Any]] = {}
        self.hosts: list[str] = []

    def wave(self, size: int) -> None:
        """One life each for so many sites, from the trial to the deletion."""
        hosts = [f"life{next(self.numbers)}.example.com" for _ in range(size)]
        self.hosts += hosts
        self.all_ask("start_trial", hosts, lambda host: {"account": "chaos", "email": f"owner@{host}"})
        self.live_on("0s")
        self.all_ask("subscribe", hosts, lambda _: {"agents": 3, "payment_method": "pm_visa"})
        self.live_on("2d1h")
        self.all_ask("change_plan", hosts, lambda _: {"agents": 5})
        self.live_on("1h")
        self.all_ask("cancel", hosts, lambda _: {})
        self.live_on("17d")

    def all_ask(self, kind: str, hosts: list[str], data) -> None:
        self.stage.is_resting.clear()
        with ThreadPoolExecutor(PRODUCERS) as producers:
            for _ in producers.map(lambda host: self.ask(kind, host, data(host)), hosts):
                pass

    def ask(self, kind: str, host: str, data: dict[str, Any]) -> dict[str, Any]:
        """Ask with the same id until there is an answer; what has to wait for a payment is asked anew."""
        for attempt in count(1):
            key = f"{host}:{kind}:{attempt}"
            body = {"specversion": "1.0", "source": "chaos", "id": key, "type": f"site.{kind}", "subject": host}
            said = self.until_answered({**body, "data": data})
            if said["code"] != "payment.pending":
                return said
            time.sleep(1)
        raise AssertionError(host)

    def until_answered(self, body: dict[str, Any]) -> dict[str, Any]:
        self.bodies[body["id"]] = body
        while True:
            with contextlib.suppress(*AWAY):
                self.answers[body["id"]] = sending.ask(self.stage.context, body, 5)
                return self.answers[body["id"]]
            time.sleep(0.1)

    def live_on(self, length: str) -> None:
        """Let engine time go on until so much later, however often the machine fails meanwhile."""
        target = self.now() + duration(length)
        while True:
            try:
                test_clock.advance(self.stage.context, target - self.now(), 30)
                break
            except (*AWAY, ValueError):
                time.sleep(0.2)

    def now(self) -> datetime:
        with reading(self.stage.context.database) as tx:
            return engine_now(tx)
