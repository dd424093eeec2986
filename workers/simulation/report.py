"""What a planner reads after a simulation: violations, sites by state per month, deletions and charges per day."""

from collections import Counter
from datetime import timedelta

import engine
from workers.base.documents import Document
from workers.simulation.fleet import START, Fleet

WIDTH = 60
BARS = " ▁▂▃▄▅▆▇█"


def simulate(sites: int, days: int, seed: int, *, backups: bool, policy: engine.Policy) -> Document:
    """Run a fleet and tell of it: `tenure/simulation/1`. The same arguments give the same document, to the byte."""
    fleet = Fleet(sites, days, seed, backups=backups, policy=policy)
    fleet.run()
    broken = fleet.promises.violations
    return {
        "schema": "tenure/simulation/1",
        "violations": len(broken),
        "broken": [f"seed {seed}: {line}" for line in broken],
        "sites": sites,
        "days": days,
        "seed": seed,
        "commands": fleet.commands,
        "decisions": fleet.decisions,
        "timers_fired": len(fleet.promises.timers_fired),
        "sites_by_state": {month: _states(counts) for month, counts in fleet.per_month.items()},
        "deletions_per_day": _daily(fleet.deletions, days),
        "charges_per_day": _daily(fleet.charges, days),
    }


def _states(counts: Counter[str]) -> dict[str, int]:
    return {state: counts[state] for state in engine.STATES if counts[state]}


def _daily(counts: Counter[str], days: int) -> list[int]:
    return [counts[f"{START + timedelta(days=day):%Y-%m-%d}"] for day in range(days)]


def text(found: Document) -> str:
    """The same for a terminal: a line for each violation, a table, two charts."""
    lines = [
        *(f"VIOLATION {line}" for line in found["broken"][:20]),
        _summary(found),
        "",
        *_table(found["sites_by_state"]),
        "",
        *_chart("deletions per day", found["deletions_per_day"]),
        *_chart("charges per day", found["charges_per_day"]),
    ]
    return "\n".join(lines)


def _summary(found: Document) -> str:
    return (
        f"{found['violations']} violations in {found['decisions']} decisions: {found['sites']} sites, "
        f"{found['days']} days, seed {found['seed']}, {found['commands']} commands, {found['timers_fired']} timers"
    )


def _table(months: Document) -> list[str]:
    states = [state for state in engine.STATES if any(state in counts for counts in months.values())]
    head = "month   " + "".join(f"{state:>17}" for state in states)
    return [
        head,
        *(f"{month} " + "".join(f"{counts.get(state, 0):>17}" for state in states) for month, counts in months.items()),
    ]


def _chart(title: str, daily: list[int]) -> list[str]:
    """One line of bars, each a run of days, scaled to the highest day."""
    step = max(1, -(-len(daily) // WIDTH))
    peaks = [max(daily[at : at + step]) for at in range(0, len(daily), step)]
    top = max(peaks, default=0)
    bars = "".join(BARS[-(-peak * (len(BARS) - 1) // top)] if top else BARS[0] for peak in peaks)
    return [f"{title:<18} |{bars}| highest {top}, in all {sum(daily)}; a bar is {step} days"]
