"""Letters to customers: written from the facts of the moment at which they are sent."""

from dataclasses import replace
from typing import Any

import engine
from models import money
from models.database import reading
from models.moments import unstamp
from workers.crash import reached
from workers.errors import Held
from workers.letters import letter
from workers.mailer import Mail
from workers.work import NOTHING, Facts, Report, Work
from workers.workplace import Workplace

FAREWELLS = ("deletion_in_7_days", "deletion_in_48_hours")
NOTICES = {"deletion_in_48_hours": "site.notice_sent", "suspension_near": "site.suspension_noticed"}
"""Letters without which something may not happen, and what the law is told once they are out."""


def mail(place: Workplace, work: Work) -> Report:
    """Write the letter from the facts of now, and send it; a notice that is out is reported."""
    args = work.args
    name = args["letter"]
    if not _still_stands(work):
        return NOTHING
    told = {**about(work.site), **moments(args), **_receipt(place, args), **_dates_of_now(place, work)}
    written = letter(name, told)
    to = args.get("to") or work.site.email
    if not to:
        return NOTHING
    reached("mail.sending")
    place.mailer.send(Mail(work.row.id, to, written.subject, written.body, work.now))
    return Report(NOTICES[name], args) if name in NOTICES else NOTHING


def _still_stands(work: Work) -> bool:
    """A threat is not for somebody who has come back or paid since; of a deletion nobody is told under a hold."""
    letter, debt = work.args["letter"], work.args.get("invoice_id")
    if letter == "suspension_near":  # without its debt it is of an older version, which noted it when it was asked for
        return debt is None or engine.notice_stands(work.site, debt)
    if letter not in FAREWELLS:
        return True
    if work.row.generation != work.site.generation:
        return False
    if work.site.held_for is not None:
        raise Held("a hold is on the site, so the customer is told of no deletion")
    return True


def _dates_of_now(place: Workplace, work: Work) -> Facts:
    """What a letter threatens with, counted from when it is sent: it may have waited for a mail server."""
    letter, owed = work.args["letter"], work.site.owed
    if letter in FAREWELLS:
        return {"deletes_at": work.site.deletes_at}
    if letter == "suspension_near" and owed is not None:
        return {"suspends_at": engine.suspends_at(replace(owed, noticed_at=work.now), place.policy)}
    return {}


def about(site: engine.Site) -> Facts:
    """What every letter may say."""
    names = (
        *("account", "email", "state", "trial_ends_at", "period_ends_at", "cancels_at", "cancelled_at", "deletes_at"),
        *("agents_allowed", "used_agents", "plan_agents", "next_agents", "price_cents", "currency", "deleted_at"),
    )
    return {"site": site.host, **{name: getattr(site, name) for name in names}}


def moments(args: Facts) -> Facts:
    """Moments came through JSON as stamps."""
    return {name: unstamp(value) if name.endswith("_at") and value else value for name, value in args.items()}


def _receipt(place: Workplace, args: Facts) -> Facts:
    """The numbers of a receipt, from the books."""
    if args["letter"] != "receipt":
        return {}
    with reading(place.database) as tx:
        row = money.invoice(tx, args["invoice_id"])
    return {
        "number": row.number,
        "amount_cents": row.amount_cents,
        "agents": row.agents,
        "unit_price_cents": row.unit_price_cents,
        "period_start": row.period_start,
        "period_end": row.period_end,
        "arithmetic": _arithmetic(row),
    }


def _arithmetic(row: Any) -> str:
    agents = f"{row.agents} agent{'' if row.agents == 1 else 's'}"
    if row.kind == "period":
        return f"{agents} for one month"
    days, whole = row.seconds / 86_400, row.of_seconds / 86_400
    return f"{agents} added for {days:.2f} of the {whole:.0f} days of this period"
