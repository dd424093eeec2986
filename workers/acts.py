"""What each effect does in the world. The effect's id is the key: twice equals once."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

import engine
from models import breaker, money, safety
from models import effect as effects
from models import site as sites
from models.clock import engine_now
from models.columns import stamp, unstamp
from models.database import reading
from workers.crash import reached
from workers.errors import Held, Temporary
from workers.forgetting import forget_address, forget_others
from workers.letters import letter
from workers.mailer import Mail
from workers.payment import Charge, Outcome
from workers.restoring import restore
from workers.saving import back_up
from workers.work import NOTHING, Facts, Report, Work
from workers.workplace import Workplace

FAREWELLS = ("deletion_in_7_days", "deletion_in_48_hours")


def provision(place: Workplace, work: Work) -> Report:
    """Build the site; twice finds it built."""
    site = work.site
    place.host.provision(site.id, hostname=site.host, email=site.email, agents=work.args["agents"], key=work.row.id)
    return Report("site.provisioned")


def bring_online(place: Workplace, work: Work) -> Report:
    """Open the doors; a site that has gone offline since is left alone, its own effect comes next."""
    if work.site.online:
        place.host.bring_online(work.site.id, key=work.row.id)
    return NOTHING


def take_offline(place: Workplace, work: Work) -> Report:
    """Close the doors, unless the site has come back since."""
    if not work.site.online:
        place.host.take_offline(work.site.id, key=work.row.id)
    return NOTHING


def set_agent_limit(place: Workplace, work: Work) -> Report:
    """Tell the host the number that holds now, which may be newer than the one asked for."""
    place.host.set_agent_limit(work.site.id, work.site.agents_allowed, key=work.row.id)
    return NOTHING


def export(place: Workplace, work: Work) -> Report:
    """Build the download and read it back."""
    export_id = f"exp_{work.token}"
    with place.host.snapshot(work.site.id) as snapshot:
        built = place.downloads.build(work.site.id, export_id, snapshot)
    kept = {"id": export_id, "bytes": built.bytes, "sha256": built.sha256}
    row = {
        **kept,
        "site_id": work.site.id,
        "generation": work.args["generation"],
        "url": built.url,
        "ready_at": work.now,
    }
    return Report(
        "site.export_ready", {**work.args, **kept, "url": built.url}, export=row, event=("export.ready", kept)
    )


def charge(place: Workplace, work: Work) -> Report:
    """Ask the card network under the payment's key; a later try looks up first, so nothing is charged twice."""
    args = work.args
    known = place.payments.lookup(args["payment_id"]) if work.row.fence > 1 else None
    outcome = known or place.payments.charge(
        Charge(
            key=args["payment_id"],
            site_id=work.site.id,
            invoice_id=args["invoice_id"],
            amount_cents=args["amount_cents"],
            currency=work.site.currency or place.policy.currency,
            payment_method=args["payment_method"] or "",
            at=work.now,
        )
    )
    return _charged(outcome, args)


def _charged(outcome: Outcome, args: Facts) -> Report:
    said = {**args, **asdict(outcome)}
    return Report("site.charge_succeeded" if outcome.status == "succeeded" else "site.charge_declined", said)


def mail(place: Workplace, work: Work) -> Report:
    """Write the letter from the facts of now, and send it; a notice that is out is reported."""
    args = work.args
    name = args["letter"]
    if name in FAREWELLS and not _still_stands(work):
        return NOTHING
    told = {**_about(work.site), **_moments(args), **_receipt(place, args)}
    written = letter(name, {**told, "deletes_at": work.site.deletes_at} if name in FAREWELLS else told)
    to = args.get("to") or work.site.email
    if not to:
        return NOTHING
    reached("mail.sending")
    place.mailer.send(Mail(work.row.id, to, written.subject, written.body, work.now))
    return Report("site.notice_sent", args) if name == "deletion_in_48_hours" else NOTHING


def _still_stands(work: Work) -> bool:
    """A word about a deletion is not for somebody who has come back since; under a hold it waits."""
    if work.row.generation != work.site.generation:
        return False
    if work.site.held_for is not None:
        raise Held("a hold is on the site, so the customer is told of no deletion")
    return True


def _about(site: engine.Site) -> Facts:
    """What every letter may say."""
    names = (
        *("account", "email", "state", "trial_ends_at", "period_ends_at", "cancels_at", "cancelled_at", "deletes_at"),
        *("agents_allowed", "used_agents", "plan_agents", "next_agents", "price_cents", "currency", "deleted_at"),
    )
    return {"site": site.host, **{name: getattr(site, name) for name in names}}


def _moments(args: Facts) -> Facts:
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


def delete(place: Workplace, work: Work) -> Report:
    """Authorize before each step, remove, then ask every store whether anything is left: only nothing counts."""
    site, removed = work.site, {}
    _authorize(place, work)
    reached("delete.authorized")
    removed["site"] = asdict(place.host.remove(site.id, key=work.row.id))
    reached("delete.site_removed")
    _authorize(place, work)
    removed["exports"] = asdict(place.downloads.remove_all(site.id))
    reached("delete.exports_removed")
    _authorize(place, work)
    removed["backups"] = asdict(place.vault.remove_all(site.id))
    reached("delete.all_removed")
    left = [*place.host.remains(site.id), *place.downloads.remains(site.id), *place.vault.remains(site.id)]
    if left:
        raise Temporary(f"{len(left)} things are left after the deletion, {left[0]} first; they are removed again")
    forget_others(place, site.id)
    _say_deleted(place, work)
    reached("delete.said")
    forget_address(place, site.id)
    return Report("site.site_deleted", {"removed": removed})


def _authorize(place: Workplace, work: Work) -> None:
    """The last look before the act, at the site as it is now."""
    with reading(place.database) as tx:
        site = sites.find(tx, work.site.id)
        reasons = (
            ["the site is not known"]
            if site is None
            else engine.authorize_destruction(site, engine_now(tx), place.policy)
        )
        others = effects.open_of_site(tx, work.site.id) - 1
        warrant, (breaker_state, why, _) = breaker.warrant(tx, work.site.id), breaker.look(tx)
        is_safe_mode = safety.holds(tx)
    if others:
        reasons.append(f"{others} other effects of the site are not finished")
    if warrant is None or warrant.generation != work.row.generation:
        reasons.append("no warrant of this generation")
    if breaker_state in {"tripped", "paused"}:
        reasons.append(f"deletions are {breaker_state}: {why}")
    if is_safe_mode:
        reasons.append("safe mode holds: look at `tenure safe-mode`")
    if reasons:
        waits = (
            is_safe_mode
            or others > 0
            or breaker_state in {"tripped", "paused"}
            or (site is not None and site.held_for is not None)
        )
        raise (Held if waits else Temporary)(f"the deletion waits: {'; '.join(reasons)}")


def _say_deleted(place: Workplace, work: Work) -> None:
    """The last letter: the address is forgotten as soon as it is sent."""
    if not work.site.email:
        return
    written = letter("deleted", {**_about(work.site), "deleted_at": work.now})
    place.mailer.send(Mail(f"{work.row.id}:deleted", work.site.email, written.subject, written.body, work.now))


def evidence_of(site: engine.Site) -> Facts:
    """The moments on which a deletion was allowed, and the guards that were waived."""
    moments = (
        *("created_at", "ready_at", "cancelled_at", "export_ready_at", "final_backup_at"),
        *("notice_sent_at", "deletes_at"),
    )
    known = {name: getattr(site, name) for name in moments}
    return {"waived": list(site.waived), **{name: stamp(at) if at else None for name, at in known.items()}}


def receipt_of(site: engine.Site, data: Facts, backups: int, now: datetime) -> Facts:
    """What was removed, and the evidence that it was allowed; no word about a person."""
    return {
        "site_id": site.id,
        "generation": site.generation,
        "removed": data["removed"],
        "backups": backups,
        **evidence_of(site),
        "deleted_at": stamp(now),
    }


ACTS: dict[str, Callable[[Workplace, Work], Report]] = {
    "provision": provision,
    "bring_online": bring_online,
    "take_offline": take_offline,
    "set_agent_limit": set_agent_limit,
    "back_up": back_up,
    "export": export,
    "restore": restore,
    "charge": charge,
    "mail": mail,
    "delete": delete,
}
