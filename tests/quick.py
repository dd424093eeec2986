"""A world for long lives in little time: real engine and database, an outside that remembers and fails when told."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from models.database import reading
from models.event import EVENTS
from tests.model.light import LightWorld, Remembers
from workers.adapters.payment import Charge, ChargeOutcome
from workers.base.errors import Permanent
from workers.storage.site_content import NOTHING_LACKS


class Obedient(Remembers):
    """Every adapter at once: so many agents are in use, and what `broken` names is refused for good."""

    def __init__(self) -> None:
        super().__init__()
        self.agents = 1
        self.broken: dict[str, str] = {}
        self.mails: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *_args, **_named: self._must_work(name)

    def _must_work(self, name: str) -> None:
        if name in self.broken:
            raise Permanent(self.broken[name])

    def used_agents(self, _site_id: str) -> int:
        return self.agents

    def charge(self, charge: Charge) -> ChargeOutcome:
        self._must_work("charge")
        return super().charge(charge)

    def remove_all(self, *args: Any, **named: Any) -> Any:
        self._must_work("remove_all")
        return super().remove_all(*args, **named)

    def save(self, *_args: Any, **_named: Any) -> Any:
        self._must_work("save")
        return SimpleNamespace(lacks=NOTHING_LACKS)

    def build(self, *args: Any) -> Any:
        self._must_work("build")
        return super().build(*args)

    def verify(self, *args: Any) -> Any:
        self._must_work("verify")
        return super().verify(*args)

    def send(self, mail: Any) -> None:
        """An address that `broken` names is refused; the rest is remembered."""
        self._must_work("send")
        self._must_work(mail.to)
        self.mails.append(mail)

    def subjects(self) -> list[str]:
        return [mail.subject for mail in self.mails]


class QuickWorld(LightWorld):
    """A light world whose outside obeys the test."""

    outside: Obedient

    def __init__(self, data_dir: Path, redis_url: str, **settings: Any) -> None:
        super().__init__(data_dir, redis_url, **settings)
        self.outside = Obedient()
        for part in ("host", "vault", "downloads", "payments", "mailer"):
            self.context.__dict__[part] = self.outside

    def charged(self) -> list[tuple[int, str]]:
        """Every amount that the card network accepted, with its currency."""
        return [(charge.amount_cents, charge.currency) for charge in self.outside.charges.values()]

    def events_of(self, kind: str) -> list[Any]:
        """The data of the events of a type that were told, oldest first."""
        with reading(self.context.database) as tx:
            bodies = [json.loads(row.body) for row in tx.execute(EVENTS.select().order_by("seq"))]
        return [body["data"] for body in bodies if body["type"] == kind]
