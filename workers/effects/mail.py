"""Letters to customers: written from the facts of the moment at which they are sent."""

from datetime import datetime
from typing import Any

import engine
from models import invoices
from models.database import reading
from models.timestamps import unstamp
from workers.adapters.mailer import Mail
from workers.base.effect_kinds import Args
from workers.base.errors import Held
from workers.base.fault_points import fault_point
from workers.context import Context
from workers.effects.claim import NOTHING, Claim, EffectResult, Facts
from workers.effects.letter_overrides import wording_of
from workers.effects.letters import letter

FAREWELLS = ("deletion_in_7_days", "deletion_in_48_hours")
COUNTS = ("agents_over_plan", "reduction_impossible")
"""Letters about the agents in use."""

DELETION_NOTICE, SUSPENSION_NOTICE = "deletion_in_48_hours", "suspension_near"
NOTICES = {DELETION_NOTICE: "site.notice_sent", SUSPENSION_NOTICE: "site.suspension_noticed"}
"""Letters without which something may not happen, and what the law is told once they are out."""

MOST_IN_A_LETTER = 5
LONGEST_IN_A_LETTER = 200


def mail(context: Context, work: Claim) -> EffectResult:
    """Write the letter from the facts of now, and send it, if it still stands; a notice that is out is reported."""
    args, site = moments(work.args), _counted(context, work)
    asked = engine.Letter(args["letter"], args, work.row.asked_at, work.row.generation)
    if not asked.stands(site, work.now, context.policy):
        return NOTHING
    if asked.name in FAREWELLS and site.held_for is not None:
        raise Held("a hold is on the site, so the customer is told of no deletion")
    told_now = engine.letter_facts(asked, site, work.now, context.policy)
    facts = {**about(site), **_left_out(args), **args, **_receipt(context, args), **told_now}
    to = args.get("to") or site.email
    if not to:
        return NOTHING
    fault_point("mail.sending")
    context.mailer.send(written(context, asked.name, facts, key=work.row.id, to=to, at=work.now))
    sent = ("letter.sent", {"effect": work.row.id, "letter": asked.name, "facts": _told(work.args)})
    command = _command(asked.name, args)
    data = {} if command is None else work.args
    return EffectResult(command, data, event=sent, drops_older=asked.name == SUSPENSION_NOTICE)


def _told(args: Facts) -> Facts:
    """What it was asked for with; never an address."""
    return {name: value for name, value in args.items() if name not in {"letter", "to"}}


def written(context: Context, name: str, facts: Facts, *, key: str, to: str, at: datetime) -> Mail:
    """A letter in the operator's words where there are some, with an HTML part if there is a layout."""
    wording = wording_of(context.settings.letters_dir)
    found = letter(name, facts, wording.texts)
    html = None if wording.layout is None else wording.layout.html(found.subject, found.body)
    return Mail(key, to, found.subject, found.body, at, html)


def is_deletion_notice(args: Args) -> bool:
    """Whether it is the letter without which nothing is deleted."""
    return bool(args["letter"] == DELETION_NOTICE)


def name_in_log(row: Any) -> str:
    """Which letter it is."""
    return f"mail:{row.args['letter']}"


def _command(name: str, args: Facts) -> str | None:
    """What the law is told; of a download that lacks something, that the customer knows."""
    if name == "download_ready":
        return "site.export_told" if args.get("left_out") else None
    return NOTICES.get(name)


def _left_out(args: Facts) -> Facts:
    """The first things that a download lacks, each for a line of its own."""
    names = [str(name)[:LONGEST_IN_A_LETTER] for name in args.get("left_out_names") or ()]
    return {f"left_out_{number}": name for number, name in enumerate(names[:MOST_IN_A_LETTER], 1)}


def _counted(context: Context, work: Claim) -> engine.Site:
    """The site with the agents in use now, where the letter speaks of them or of a price that hangs on them."""
    if work.args["letter"] not in COUNTS and work.site.next_agents is None:
        return work.site
    claimed = work.site.paying is not None and work.site.paying.claimed
    used = context.agents.ask([work.site.id]).get(work.site.id)  # None leaves what was last known
    return engine.with_live_facts(work.site, used_agents=used, claimed=claimed)


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


def _receipt(context: Context, args: Facts) -> Facts:
    """The numbers of a receipt, from the books."""
    if args["letter"] != "receipt":
        return {}
    with reading(context.database) as tx:
        row = invoices.invoice(tx, args["invoice_id"])
    return {
        "number": row.number,
        "amount_cents": row.amount_cents,
        "agents": row.agents,
        "unit_price_cents": row.unit_price_cents,
        "currency": row.currency,
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
