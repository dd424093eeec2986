"""`tenure status` for people: problems with their remedies, then a line for each part of the fleet."""

import textwrap

from engine.words import money
from workers.base.documents import Document

WIDTH = 100
MOST = 12
"""So many problems fit on a screen with the rest."""


def status(found: Document) -> str:
    """One screen."""
    lines = [_head(found), *_problems(found["problems"]), ""]
    if found["breaker"] is not None:
        lines += [_guards(found), _adapters(found["adapters"]), _sites(found["sites"])]
    lines.append(_queues(found["queues"]))
    if found["rates"] is not None:
        lines += [_rates(found["rates"]), *money_lines(found["money"]), _deletions(found["deletions"])]
    return "\n".join(lines)


def _head(found: Document) -> str:
    red = sum(one["level"] == "red" for one in found["problems"])
    yellow = len(found["problems"]) - red
    counted = " and ".join(f"{count} {level}" for count, level in ((red, "red"), (yellow, "yellow")) if count)
    return f"{'all is well' if found['ok'] else 'not well: ' + counted}, at {found['at']}"


def _problems(found: list[Document]) -> list[str]:
    lines = [line for one in found[:MOST] for line in _problem(one)]
    rest = len(found) - MOST
    return [*lines, *([f"and {rest} more: tenure status --json"] if rest > 0 else [])]


def _problem(one: Document) -> list[str]:
    head = f"{one['level'].upper():<7} "
    since = f", since {one['since']}" if one["since"] else ""
    told = textwrap.wrap(
        f"{one['what']}{since}", WIDTH - len(head), break_long_words=False, break_on_hyphens=False, max_lines=3
    )
    first, *more = told or [""]
    return [f"{head}{first}", *(f"{'':<8}{line}" for line in more), f"{'':<8}→ {one['do']}"]


def _guards(found: Document) -> str:
    doubt = "off" if found["safe_mode"] is None else "ON"
    budget = f", {found['breaker']['budget']} more may pass" if found["breaker"]["budget"] else ""
    return f"guards    safe mode {doubt}, breaker {found['breaker']['state']}{budget}"


def _adapters(found: Document) -> str:
    seen = [f"{name} {'OUT OF REACH' if one['trouble'] else 'well'}" for name, one in found.items()]
    return f"adapters  {', '.join(seen) or 'nobody reports: no process runs'}"


def _sites(found: Document) -> str:
    states = ", ".join(f"{count} {state}" for state, count in sorted(found["by_state"].items()) if count) or "none yet"
    marks = (("attention", "need attention"), ("held", "held"), ("unpaid", "unpaid"), ("over_plan", "over plan"))
    marked = ", ".join(f"{found[name]} {words}" for name, words in marks if found[name])
    return f"sites     {states}{'; ' + marked if marked else ''}"


def _queues(found: list[Document]) -> str:
    return f"queues    {', '.join(map(_queue, found))}"


def _queue(one: Document) -> str:
    messages = "?" if one["messages"] is None else one["messages"]
    age = "" if one["oldest_seconds"] is None else f" (oldest {one['oldest_seconds']:.0f} s)"
    ready = f" and {one['ready']} ready" if one["ready"] else ""
    return f"{one['queue']} {messages}{ready}{age}"


def _rates(found: Document) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in found.items())
    return f"rates     {counts} in the last minute"


def money_lines(found: Document) -> list[str]:
    """What was charged, declined by code, what is open and what is to be given back."""
    charged = [f"charged {_amount(one)}" for one in found["charged"]] or ["nothing charged"]
    declined = [f"declined {_amount(one)} ({one['code'] or 'no code'})" for one in found["declined"]]
    waiting = [f"open {_amount(one)}" for one in found["open"]]
    refunds = [f"{found['refunds_due']} refunds due"] if found["refunds_due"] else []
    return [
        f"{'money' if first else '':<9} {line}" for first, line in _numbered([*charged, *declined, *waiting, *refunds])
    ]


def _numbered(lines: list[str]) -> list[tuple[bool, str]]:
    return [(number == 0, line) for number, line in enumerate(lines)]


def _amount(one: Document) -> str:
    return f"{money(one['amount_cents'], one['currency'])} in {one['count']}"


def _deletions(found: Document) -> str:
    if not found["next_day"]:
        return "deletions none within a day"
    return f"deletions {found['next_day']} within a day, the first at {found['first_at']}: tenure deletion preview"
