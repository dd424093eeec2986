"""An independent ledger of one site: it is told what was decided and holds it against the design, and asks no rule."""

from datetime import datetime

import engine
from tests.model import keeping, promises, schedule
from tests.model.account import Account
from tests.model.books import Books
from tests.model.matrix import answer, expected
from tests.model.moves import moves
from tests.model.seen import Seen, must


class Ledger:
    """Looks at every command that is judged, and raises `Broken` at the first promise that does not hold."""

    def __init__(self) -> None:
        self.account = Account()
        self.books = Books()

    def look(self, seen: Seen) -> None:
        """One command: the answer, the money, the state, the agents, the dates; then it is remembered."""
        self._answer(seen)
        if not seen.applied:
            _nothing_happened(seen)
            return
        if seen.kind == "start_trial":
            self.account, self.books = Account(), Books()
        allowed = moves(seen, self.account, self.books)
        self.books.look(seen)
        must(seen.after.state in allowed, f"{seen.kind} leads to {sorted(allowed)}", self._where(seen))
        promises.check(seen, self.account, self.books)
        keeping.remember(seen, self.account, self.books)
        promises.check_kept(seen, self.account, self.books)
        schedule.check(seen, self.account, self.books)

    def _answer(self, seen: Seen) -> None:
        """The cell of the matrix."""
        account, paying = self.account, bool(self.books.pending())
        time_left = account.has_time(seen.now) or self.books.paid_until(seen.now) is not None
        wanted = expected(seen, account, paying, time_left)
        said = answer(seen)
        if wanted is not None:
            where = f"{account.state} ({account.under}), paying {paying}, {seen.command.data}"
            must(said in wanted, f"{seen.kind} is answered {sorted(wanted)}, not {said}", where)

    def _where(self, seen: Seen) -> str:
        return f"from {self.account.state} ({self.account.under}) to {seen.after.state} at {seen.now}"

    def ended(self, site: engine.Site | None, now: datetime, timers: dict[str, datetime]) -> None:
        """Nothing holds a site for ever: one whose customer has left, and which everybody lets go, is deleted."""
        if site is None:
            return
        why = f"{site.state} at {now}, deletes_at {site.deletes_at}, paying {site.paying}, timers {timers}"
        must(site.state == "deleted", "a site that its customer has left comes to its end", why)


def _nothing_happened(seen: Seen) -> None:
    """A refusal and a no-op leave no trace."""
    decision = seen.decision
    traces = (decision.effects, decision.entries, decision.events, decision.charge, decision.voids)
    must(decision.site == seen.before, "a refusal changes nothing", f"{seen.kind}")
    must(not any(traces), "a refusal does nothing", f"{seen.kind}: {traces}")
