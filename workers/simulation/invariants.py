"""The independent checker: it knows the product page and sees what happens, and never asks the law."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction

DAY = timedelta(days=1)
TRIAL = 30 * DAY
RETENTION = 14 * DAY
NOTICE = 2 * DAY
PRICE_CENTS = 2000
LEAST_CENTS = 50
UNPAID = 7 * DAY
ENDS = frozenset({"cancelled", "expired"})


@dataclass(slots=True)
class Life:
    """What the checker has seen of one site."""

    ready_at: datetime | None = None
    free_until: datetime | None = None
    state: str = "absent"
    ended_at: datetime | None = None
    exported_at: datetime | None = None
    noticed_at: datetime | None = None
    backed_up: bool = False
    waived: set[str] = field(default_factory=set)
    paid: list[tuple[datetime, datetime]] = field(default_factory=list)
    invoices: set[str] = field(default_factory=set)
    was_deleting: bool = False
    held: bool = False
    declined_at: datetime | None = None
    threatened_at: datetime | None = None


class Promises:
    """Takes note of what happens to every site, and writes down each broken promise."""

    def __init__(self) -> None:
        self.lives: dict[str, Life] = {}
        self.violations: list[str] = []
        self.answers: dict[tuple[str, str], int] = {}
        self.timers_fired: set[tuple[str, str, datetime]] = set()

    def life(self, site_id: str) -> Life:
        """What is known of a site."""
        return self.lives.setdefault(site_id, Life())

    def broken(self, site_id: str, at: datetime, what: str) -> None:
        """One line that a person can look up."""
        self.violations.append(f"{at:%Y-%m-%dT%H:%M:%S} {site_id}: {what}")

    def moved(self, site_id: str, to: str, at: datetime, *, by_operator: bool = False) -> None:
        """A site changed its state."""
        life, was = self.life(site_id), self.life(site_id).state
        life.state = to
        if (was, to) == ("past_due", "suspended") and not by_operator:
            self._may_be_suspended(site_id, life, at)
        if to in {"trial", "trial_subscribed"} and life.ready_at is None:
            life.ready_at, life.free_until = at, at + TRIAL
        if to in {*ENDS, "failed"} and was not in ENDS:
            self._ended(site_id, life, to, was, at)
        if to == "deleting":
            self._may_be_deleted(site_id, life, was, at)
            life.was_deleting = True
        if to == "deleted" and (was != "deleting" or not life.was_deleting):
            self.broken(site_id, at, f"deleted from {was}, not through deleting")
        if was in {"deleting", "deleted"} and to not in {"deleting", "deleted"}:
            self.broken(site_id, at, f"came back to {to} from {was}")

    def _ended(self, site_id: str, life: Life, to: str, was: str, at: datetime) -> None:
        """A new 14 days begin, and all evidence begins anew."""
        if to == "expired" and was == "trial" and life.free_until is not None and at < life.free_until:
            self.broken(site_id, at, "a trial expired before its 30 days were over")
        life.ended_at, life.exported_at, life.noticed_at, life.backed_up = at, None, None, False
        life.waived = set()

    def _may_be_suspended(self, site_id: str, life: Life, at: datetime) -> None:
        if life.declined_at is not None and at < life.declined_at + UNPAID:
            self.broken(site_id, at, f"suspended before 7 days since the first decline at {life.declined_at}")
        if life.threatened_at is None or at < life.threatened_at + NOTICE:
            self.broken(site_id, at, f"suspended without 48 h of notice since {life.threatened_at}")

    def _may_be_deleted(self, site_id: str, life: Life, was: str, at: datetime) -> None:
        if was not in {*ENDS, "failed"}:
            self.broken(site_id, at, f"deleted while {was}")
        if life.held:
            self.broken(site_id, at, "deleted under a hold")
        if life.ended_at is None or at < life.ended_at + RETENTION:
            self.broken(site_id, at, f"deleted before 14 full days since the end at {life.ended_at}")
        if life.ready_at is None:
            return
        if "export" not in life.waived and (life.exported_at is None or at < life.exported_at + RETENTION):
            self.broken(site_id, at, f"deleted before 14 full days of download since {life.exported_at}")
        if "notice" not in life.waived and (life.noticed_at is None or at < life.noticed_at + NOTICE):
            self.broken(site_id, at, f"deleted without 48 h of notice since {life.noticed_at}")
        if "backup" not in life.waived and not life.backed_up:
            self.broken(site_id, at, "deleted without a final backup of this time")

    def extended(self, site_id: str, days: int, at: datetime) -> None:
        """An operator gave more free days: from the end of the trial, or from now if it was over."""
        life = self.life(site_id)
        if life.free_until is not None:
            life.free_until = max(life.free_until, at) + days * DAY

    def exported(self, site_id: str, at: datetime) -> None:
        """A download of the present time is ready."""
        life = self.life(site_id)
        life.exported_at = life.exported_at or at

    def fell_behind(self, site_id: str, at: datetime) -> None:
        """A period's invoice was declined for the first time."""
        life = self.life(site_id)
        life.declined_at, life.threatened_at = at, None

    def threatened(self, site_id: str, at: datetime) -> None:
        """The customer was told that the suspension is near."""
        self.life(site_id).threatened_at = at

    def noticed(self, site_id: str, at: datetime) -> None:
        """The customer was told of the deletion."""
        self.life(site_id).noticed_at = at

    def backed_up(self, site_id: str) -> None:
        """The final backup was read back."""
        self.life(site_id).backed_up = True

    def held(self, site_id: str, *, on: bool) -> None:
        """A hold began or ended."""
        self.life(site_id).held = on

    def waived(self, site_id: str, guard: str) -> None:
        """An operator lifted a guard."""
        self.life(site_id).waived.add(guard)

    def charged(
        self,
        site_id: str,
        invoice: str,
        kind: str,
        agents: int,
        amount: int,
        period: tuple[datetime, datetime],
        at: datetime,
    ) -> None:
        """Money was taken."""
        life = self.life(site_id)
        if life.free_until is None or at < life.free_until:
            self.broken(site_id, at, f"charged before day 30, which is {life.free_until}")
        if invoice in life.invoices:
            self.broken(site_id, at, f"invoice {invoice} was paid twice")
        life.invoices.add(invoice)
        if kind == "period":
            self._paid_period(site_id, life, agents, amount, period, at)
        else:
            self._paid_agents(site_id, life, agents, amount, period, at)

    def _paid_period(
        self, site_id: str, life: Life, agents: int, amount: int, period: tuple[datetime, datetime], at: datetime
    ) -> None:
        if amount != agents * PRICE_CENTS:
            self.broken(site_id, at, f"{amount} was charged for {agents} agents")
        if any(start < period[1] and period[0] < end for start, end in life.paid):
            self.broken(site_id, at, f"the days from {period[0]} to {period[1]} were paid twice")
        if not timedelta(days=28) <= period[1] - period[0] <= timedelta(days=31):
            self.broken(site_id, at, f"a period from {period[0]} to {period[1]} is not a month")
        life.paid.append(period)

    def _paid_agents(
        self, site_id: str, life: Life, agents: int, amount: int, period: tuple[datetime, datetime], at: datetime
    ) -> None:
        """Added agents pay for the part of a paid period that was left, to the cent."""
        within = next((whole for whole in life.paid if whole[0] <= period[0] and period[1] == whole[1]), None)
        if within is None:
            self.broken(site_id, at, "agents were charged outside of a paid period")
            return
        share = Fraction(
            (period[1] - period[0]) // timedelta(seconds=1), (within[1] - within[0]) // timedelta(seconds=1)
        )
        exact = agents * PRICE_CENTS * share
        if abs(amount - exact) > Fraction(1, 2) or amount < LEAST_CENTS:
            self.broken(site_id, at, f"{amount} was charged for {agents} agents over {float(share):.4f} of a period")

    def answered(self, source: str, command_id: str, *, moved: bool) -> None:
        """A command was answered; only its first answer may move anything."""
        key = (source, command_id)
        self.answers[key] = self.answers.get(key, 0) + 1
        if moved and self.answers[key] > 1:
            self.violations.append(f"command {key} moved twice")

    def fired(self, site_id: str, kind: str, due: datetime, at: datetime) -> None:
        """A timer did its move."""
        if at < due:
            self.broken(site_id, at, f"timer {kind} fired before {due}")
        if (site_id, kind, due) in self.timers_fired:
            self.broken(site_id, at, f"timer {kind} of {due} fired twice")
        self.timers_fired.add((site_id, kind, due))

    def finished(self, asked: int, overdue: list[str]) -> None:
        """The end of the run: every command has its answer, no timer was forgotten."""
        if len(self.answers) != asked:
            self.violations.append(f"{asked} commands were asked and {len(self.answers)} answered")
        self.violations.extend(f"forgotten: {what}" for what in overdue)
