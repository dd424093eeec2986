"""How many agents are in use in many sites, asked of the host: whoever asks waits two seconds at the most.

A site that can't tell is put aside for a while: it is not asked again while somebody waits, what was last known holds,
and its fault is written down for operators. The clock asks it again, and takes the fault away when it answers.
"""

from collections import deque
from collections.abc import Iterable
from queue import Empty, SimpleQueue
from threading import Condition, Lock, Thread
from time import monotonic
from typing import Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from engine.alarms import alarm
from models import site as sites
from models import site_fault
from models.clock import engine_now
from models.database import reading, writing
from models.event import tell
from models.site_fault import SiteFault
from workers.adapters.host import Host
from workers.base.logs import log
from workers.storage.held_database import Unusable

PATIENCE_SECONDS = 2.0
"""The longest that a batch of commands, or the clock, waits for all its answers."""

STEP_SECONDS, ALONE_SECONDS = 0.02, 0.25
"""One thread asks site after site: others help it when it has no answer for a step, or is not done in the end."""

TURN_SECONDS = 0.25
"""If no asker is free within this time, the host keeps them all waiting: then nobody waits for it."""

ASKERS = 8
IDLE_SECONDS = 5.0
ASIDE_SECONDS = 60.0
"""So long a site that could not tell is not asked by those who wait."""

PASSING = {"database.locked", "database.restless", "database.unfinished", "host.silent"}
"""Faults that may be over in a moment: they are told when they are found twice."""

PART = "database"
REMEDY = "look at the host; it is asked again by itself"


class AskingRound:
    """Some sites that somebody waits for. Askers take one site after the other, until all are answered."""

    def __init__(self, site_ids: Iterable[str]) -> None:
        self.left = deque(site_ids)
        self.open = len(self.left)
        self.begun: set[str] = set()
        self.found: dict[str, int | None] = {}
        self.changed = Condition()

    def take(self) -> str | None:
        """The next site to be asked; None when there is none left."""
        with self.changed:
            if not self.left:
                return None
            self.begun.add(site_id := self.left.popleft())
            self.changed.notify_all()
            return site_id

    def answer(self, site_id: str, answer: "int | SiteFault | None") -> None:
        """One site was asked; None means that there is no such site."""
        with self.changed:
            self.begun.discard(site_id)
            if not isinstance(answer, SiteFault):
                self.found[site_id] = answer

    def settle(self) -> None:
        """What followed from one answer is done as well."""
        with self.changed:
            self.open -= 1
            if not self.open:
                self.changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Whether all were asked within this time."""
        with self.changed:
            return self.changed.wait_for(lambda: not self.open, seconds)

    def is_done_by_one(self) -> bool:
        """Wait for the one asker as long as it has answers at every step; whether it has answered all."""
        before, end = -1, monotonic() + ALONE_SECONDS
        while not self.wait(STEP_SECONDS):
            if len(self.found) == before or monotonic() > end:
                return False
            before = len(self.found)
        return True

    def has_begun(self, seconds: float) -> bool:
        """Whether an asker was free for it within this time."""
        with self.changed:
            return self.changed.wait_for(lambda: bool(self.begun or self.found), seconds)

    def close(self) -> tuple[dict[str, int | None], set[str]]:
        """What was found, and the sites that are being asked still; no other is asked any more."""
        with self.changed:
            self.left.clear()
            return dict(self.found), set(self.begun)


class HostAndDatabase(Protocol):
    """What an asker works with; each is opened at its first use."""

    @property
    def database(self) -> Engine:
        """Where faults are written down."""

    @property
    def host(self) -> Host:
        """Who counts the agents."""


class AgentsInUse:
    """Asks the host for the agents in use; one for each process, for all its threads."""

    def __init__(self, context: HostAndDatabase) -> None:
        self._context = context
        self._rounds: SimpleQueue[AskingRound] = SimpleQueue()
        self._lock = Lock()
        self._askers = 0
        self._busy = 0
        self._aside: dict[str, float] = {}
        self._told: dict[str, str] = {}

    def ask(self, site_ids: Iterable[str]) -> dict[str, int]:
        """Agents in use by site id, of those sites that the host could tell in time."""
        wanted = self._without_aside(site_ids)
        found = self._ask_all(wanted) if wanted else {}
        return {site_id: agents for site_id, agents in found.items() if agents is not None}

    def look_again(self) -> None:
        """Ask once more for the sites that have a fault; those that answer lose it, and their number is kept."""
        with reading(self._context.database) as tx:
            troubled = [site_id for site_id in site_fault.sites_of(tx, PART) if self._is_free(site_id)]
        for site_id in troubled:
            for agents in self._ask_all([site_id]).values():
                self._forgive(site_id, agents)

    def _ask_all(self, site_ids: list[str]) -> dict[str, int | None]:
        asked = AskingRound(site_ids)
        self._send(asked, 1)
        if not asked.is_done_by_one():
            self._send(asked, max(1, min(ASKERS, len(site_ids)) - 1))
            asked.wait(PATIENCE_SECONDS - ALONE_SECONDS - TURN_SECONDS if asked.has_begun(TURN_SECONDS) else 0)
        found, silent = asked.close()
        for site_id in silent:
            self._put_aside(site_id, _silent())
        return found

    def _without_aside(self, site_ids: Iterable[str]) -> list[str]:
        """Leave out sites that are put aside. Of those whose time is over one is asked: it may be as it was."""
        now, found, again = monotonic(), [], 0
        with self._lock:
            for site_id in site_ids:
                until = self._aside.get(site_id)
                if until is None:
                    found.append(site_id)
                elif now >= until and not again:
                    again = 1
                    found.append(site_id)
        return found

    def _is_free(self, site_id: str) -> bool:
        with self._lock:
            return monotonic() >= self._aside.get(site_id, 0.0)

    def _send(self, asked: AskingRound, number: int) -> None:
        """Let so many askers work on a round; new ones begin while those that there are do something else."""
        with self._lock:
            missing = min(number - (self._askers - self._busy), ASKERS - self._askers)
            for _ in range(missing):
                self._askers += 1
                Thread(target=self._work, daemon=True, name=f"agents {self._askers}").start()
            for _ in range(number):
                self._rounds.put(asked)

    def _work(self) -> None:
        """Be an asker, until there is nothing to ask for a while."""
        while (asked := self._next()) is not None:
            while (site_id := asked.take()) is not None:
                answer = self._one(site_id)
                asked.answer(site_id, answer)
                if isinstance(answer, SiteFault):
                    self._put_aside(site_id, answer)
                else:
                    self._take_back(site_id, answer)
                asked.settle()
            with self._lock:
                self._busy -= 1

    def _next(self) -> AskingRound | None:
        while True:
            try:
                asked = self._rounds.get(timeout=IDLE_SECONDS)
            except Empty:
                asked = None
            with self._lock:
                if asked is not None:
                    self._busy += 1
                    return asked
                if self._rounds.empty():
                    self._askers -= 1
                    return None

    def _one(self, site_id: str) -> int | SiteFault | None:
        try:
            return self._context.host.used_agents(site_id)
        except Unusable as wrong:
            return SiteFault(wrong.code, wrong.what, wrong.do)
        except Exception as wrong:  # noqa: BLE001 - whatever it is, nobody waits for it: what was last known holds
            what = f"agents in use are not known now: {type(wrong).__name__}: {wrong}"[:300]
            return SiteFault("host.failed", what, REMEDY)

    def _put_aside(self, site_id: str, fault: SiteFault) -> None:
        with self._lock:
            self._aside[site_id] = monotonic() + ASIDE_SECONDS
            is_new = site_id not in self._told
            before, self._told[site_id] = self._told.get(site_id), fault.code
            if is_new and fault.code in PASSING:
                self._told[site_id] = ""
        if before == fault.code or (is_new and fault.code in PASSING):
            return
        log.warning("alarm", site_id=site_id, code=fault.code, error=f"{fault.what}; {fault.do}")
        try:
            with writing(self._context.database) as tx:
                _write_down(tx, site_id, fault)
        except SQLAlchemyError as wrong:
            log.warning("failed", site_id=site_id, error=f"its fault was not written down: {wrong}")

    def _take_back(self, site_id: str, agents: int | None) -> None:
        """It answers. Its fault goes at once if it was this process that found it."""
        with self._lock:
            self._aside.pop(site_id, None)
            told = self._told.pop(site_id, None)
        if told:
            self._forgive(site_id, agents)

    def _forgive(self, site_id: str, agents: int | None) -> None:
        try:
            with writing(self._context.database) as tx:
                if agents is not None:
                    sites.note_used(tx, site_id, agents)
                site_fault.forget(tx, site_id, PART)
        except SQLAlchemyError as wrong:
            log.warning("failed", site_id=site_id, error=f"its fault was not taken away: {wrong}")


def _write_down(tx: Connection, site_id: str, fault: SiteFault) -> None:
    """Note the fault of a site that lives, and raise the alarm if it is a new one."""
    site = sites.find(tx, site_id)
    if site is None or site.state == "deleted":
        return
    now = engine_now(tx)
    if site_fault.note(tx, site_id, PART, fault, now):
        what = f"{fault.code}: {fault.what}"
        tell(tx, "alarm.raised", alarm("database.unreadable", what), now, host=site.host, site_id=site_id, cause=None)


def _silent() -> SiteFault:
    what = f"the host did not say within {PATIENCE_SECONDS:.0f} s how many agents are in use"
    return SiteFault("host.silent", what, REMEDY)
