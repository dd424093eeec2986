"""What a process works with: settings, database, Redis and adapters, opened once and after the fork."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Engine

import engine
from models.database import connect
from workers.base import settings as setting
from workers.base.clock_memory import ClockMemory
from workers.base.settings import Settings
from workers.storage.site_limits import SiteLimits

if TYPE_CHECKING:  # each is imported when it is opened: a verb of the command line needs few, and some load slowly
    from redis import Redis

    from workers.adapters.agents_in_use import AgentsInUse
    from workers.adapters.backup_store import BackupStore
    from workers.adapters.export_store import ExportStore
    from workers.adapters.host import Host
    from workers.adapters.mailer import Mailer
    from workers.adapters.payment import Payments
    from workers.producers.known import KnownProducers
    from workers.producers.rejections import Rejections
    from workers.queue.broker import TenureBroker

ADAPTERS = ("host", "vault", "downloads", "payments", "mailer")
"""The ways to the outside world, by their names in a workplace."""


class EventRelay(Protocol):
    """Publishes the events of this process when it is notified."""

    def notify(self) -> None:
        """Say that there are events to publish."""


@dataclass(frozen=True)
class Context:
    """Everything a verb needs; each part opens at its first use."""

    settings: Settings
    threads: int = 0
    publisher: EventRelay | None = None

    @cached_property
    def database(self) -> Engine:
        """The truth."""
        return connect(self.settings.database_url)

    @cached_property
    def broker(self) -> TenureBroker:
        """Where effects are announced."""
        from workers.queue.broker import make_broker  # noqa: PLC0415

        return make_broker(setting.redis_url(self.settings), threads=self.threads)

    @cached_property
    def redis(self) -> Redis:
        """The stream of events, replies, locks and wake-ups."""
        from workers.queue import clients  # noqa: PLC0415

        return clients.for_events(setting.redis_url(self.settings))

    @cached_property
    def rates(self) -> Redis:
        """Where commands are counted."""
        from workers.queue import clients  # noqa: PLC0415

        return clients.for_quotas(setting.redis_url(self.settings))

    @cached_property
    def producers(self) -> KnownProducers:
        """Who may send commands."""
        from workers.producers.known import KnownProducers  # noqa: PLC0415

        return KnownProducers(self.database)

    @cached_property
    def rejections(self) -> Rejections:
        """Where commands are counted that nobody knows who has sent."""
        from workers.producers.rejections import Rejections  # noqa: PLC0415

        return Rejections()

    @cached_property
    def sanity(self) -> ClockMemory:
        """What this process remembers of its clocks."""
        return ClockMemory()

    @cached_property
    def alarmed(self) -> dict[str, float]:
        """When this process last raised the alarm of an outage, by its code, on the monotonic clock."""
        return {}

    @cached_property
    def host(self) -> Host:
        """The live sites."""
        from workers.adapters.host import open_host  # noqa: PLC0415

        return open_host(self.settings.host_url, self.settings.data_dir, self.limits)

    @cached_property
    def agents(self) -> AgentsInUse:
        """How many agents the host counts in its sites."""
        from workers.adapters.agents_in_use import AgentsInUse  # noqa: PLC0415

        return AgentsInUse(self)

    @cached_property
    def vault(self) -> BackupStore:
        """The backups."""
        from workers.adapters.backup_store import open_backup_store  # noqa: PLC0415

        return open_backup_store(self.settings.backups_url, self.settings.data_dir, self.limits)

    @cached_property
    def downloads(self) -> ExportStore:
        """The customers' downloads."""
        from workers.adapters.export_store import ExportStore  # noqa: PLC0415

        return ExportStore(self.settings.data_dir, self.limits)

    @cached_property
    def limits(self) -> SiteLimits:
        """How much of a site one act copies, and for how long."""
        set_to = self.settings
        return SiteLimits(set_to.site_max_files, set_to.site_max_bytes, set_to.site_seconds)

    @cached_property
    def payments(self) -> Payments:
        """The card network."""
        from workers.adapters.payment import open_payments  # noqa: PLC0415

        return open_payments(self.settings.payments_url, self.settings.data_dir, self.settings.stripe_key_file)

    @cached_property
    def mailer(self) -> Mailer:
        """The way to customers."""
        from workers.adapters.mailer import open_mailer  # noqa: PLC0415

        return open_mailer(self.settings.mail_url, self.settings.data_dir)

    def open_adapters(self) -> None:
        """Refuse an address that no adapter understands, before any work needs it. Raises ValueError."""
        for name in ADAPTERS:
            getattr(self, name)

    @cached_property
    def policy(self) -> engine.Policy:
        """The promises, as the settings have them."""
        return policy_of(self.settings)

    @cached_property
    def lease(self) -> timedelta:
        """How long a claim holds without being kept, in machine time."""
        return timedelta(seconds=self.settings.lease_seconds)


def policy_of(settings: Settings) -> engine.Policy:
    """The promises that the settings name; the rest stands in the law."""
    return engine.Policy(
        trial=timedelta(days=settings.trial_days),
        trial_agents=settings.trial_agents,
        retention=timedelta(days=settings.retention_days),
        price_cents=settings.price_cents,
        currency=settings.currency,
        min_charge_cents=settings.min_charge_cents,
    )
