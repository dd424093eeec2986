"""The threads of a process that do quick effects: claimed in groups, done side by side, settled in groups.

A crew without threads does the same at once, in the thread that hands effects to it.
"""

import time
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from threading import Condition, Thread
from typing import NamedTuple

from workers.base.fault_points import fault_point
from workers.base.logs import log
from workers.context import Context
from workers.effects import executor
from workers.effects.claim import Claim
from workers.effects.lease import KEEPER, Act, keep_waiting
from workers.effects.settle import Done

MOST = 64
"""Effects in the hands of one process, and in one transaction."""

GATHER_SECONDS = 0.003
"""While others are being done, what is done waits so long for company before it is settled."""

STALE_SECONDS = 1.0
"""What was known of a site when its effect was claimed is looked at again after so long a wait for a thread."""

LONG_SECONDS, SHORT_SECONDS = 0.2, 0.05
"""A claimed effect that waited longer for its thread than this: half as many are claimed ahead. Shorter: one more."""

Over = Callable[[dict[str, Exception | None]], None]
"""Told of effects that nothing more is done to now, by their ids: with the error that left a try as it was, or None."""


class Job(NamedTuple):
    """A claimed effect, since when (monotonic), and whom to tell when it is over."""

    claim: Claim
    since: float
    over: Over
    lease: Act | None = None
    """What keeps the claim while it waits for a thread."""


class Crew:
    """Does effects that are quick. Call `start` after the fork; `end` waits for all that was begun."""

    def __init__(self, context: Context, threads: int) -> None:
        self.context = context
        self.threads = threads
        self.size = max(threads, 1) if threads else MOST
        self.work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self.settled: SimpleQueue[tuple[Job, Done] | None] = SimpleQueue()
        self.in_hand = 0
        self.turn = Condition()
        self.hands: list[Thread] = []
        self.settler: Thread | None = None

    def start(self) -> None:
        """Start the threads."""
        self.hands = [Thread(target=self._work, daemon=True, name=f"effects {one}") for one in range(self.threads)]
        self.settler = Thread(target=self._settle, daemon=True, name="settler")
        for thread in (*self.hands, self.settler):
            thread.start()

    def end(self) -> None:
        """Wait until everything in hand is settled; then the threads end."""
        with self.turn:
            self.turn.wait_for(lambda: self.in_hand == 0)
        for _ in self.hands:
            self.work.put(None)
        self.settled.put(None)
        for thread in (*self.hands, *([self.settler] if self.settler else [])):
            thread.join()

    def take(self, effect_ids: list[str], over: Over) -> None:
        """Claim these effects and have them done; raises what keeps them from being claimed."""
        claimed = executor.claim_all(self.context, effect_ids)
        fault_point("group.claimed")
        since = time.monotonic()
        jobs = [Job(claim, since, over) for claim in claimed]
        mine = {claim.row.id for claim in claimed}
        with self.turn:
            self.in_hand += len(jobs)
        others: dict[str, Exception | None] = {one: None for one in effect_ids if one not in mine}
        if others:
            over(others)
        if self.hands:
            for job in jobs:
                kept = job._replace(lease=keep_waiting(self.context, job.claim.row))
                self.work.put(partial(self._act, kept))
        else:
            self._do_at_once(jobs)

    def _work(self) -> None:
        while (step := self.work.get()) is not None:
            step()

    def _act(self, job: Job) -> None:
        waited = time.monotonic() - job.since
        self._resize(waited)
        if job.lease is not None:
            KEEPER.forget(job.lease)
        try:
            claim = job.claim if waited < STALE_SECONDS else executor.renewed(self.context, job.claim)
            done = None if claim is None else executor.act(self.context, claim)
        except Exception as wrong:  # noqa: BLE001 - the queue has it again
            self._over([job], wrong)
            return
        if done is None:
            self._over([job])
        else:
            self.settled.put((job, done))

    def _resize(self, waited: float) -> None:
        """Claim so many ahead that none waits long: others might do it sooner."""
        if waited > LONG_SECONDS:
            self.size = max(self.threads, self.size // 2)
        elif waited < SHORT_SECONDS:
            self.size = min(MOST, self.size + 1)

    def _settle(self) -> None:
        while (first := self.settled.get()) is not None:
            self._settle_together([first, *self._company()])

    def _company(self) -> list[tuple[Job, Done]]:
        """What else is done by now, or is while one waits a moment."""
        found = self._drained()
        if self.in_hand > len(found) + 1 and len(found) + 1 < MOST:
            time.sleep(GATHER_SECONDS)
            found += self._drained()
        return found

    def _drained(self) -> list[tuple[Job, Done]]:
        found: list[tuple[Job, Done]] = []
        try:
            while (one := self.settled.get_nowait()) is not None:
                found.append(one)
        except Empty:
            return found
        return found

    def _settle_together(self, pairs: list[tuple[Job, Done]]) -> None:
        """Those that can't be settled together are settled one by one, by the threads: each has its own reasons."""
        try:
            executor.settle_together(self.context, [done for _, done in pairs])
        except Exception:  # noqa: BLE001 - whose it is, and what it means, is found out one by one
            for job, done in pairs:
                self._do(partial(self._settle_alone, job, done))
            return
        self._over([job for job, _ in pairs])

    def _do(self, step: Callable[[], None]) -> None:
        if self.hands:
            self.work.put(step)
        else:
            step()

    def _settle_alone(self, job: Job, done: Done) -> None:
        try:
            executor.settle_alone(self.context, done)
        except Exception as wrong:  # noqa: BLE001 - the queue has it again
            self._over([job], wrong)
            return
        self._over([job])

    def _over(self, jobs: list[Job], wrong: Exception | None = None) -> None:
        told: dict[Over, dict[str, Exception | None]] = {}
        for job in jobs:
            told.setdefault(job.over, {})[job.claim.row.id] = wrong
        for over, ended in told.items():
            try:
                over(ended)
            except Exception:  # noqa: BLE001 - a thread that ended would be missed; what nobody was told comes again
                log.exception("alarm", error="that effects are over could not be told to their queue")
        with self.turn:
            self.in_hand -= len(jobs)
            self.turn.notify_all()

    def _do_at_once(self, jobs: list[Job]) -> None:
        for job in jobs:
            self._act(job)
        if pairs := self._drained():
            self._settle_together(pairs)
