"""What each effect does in the world. The effect's id is the key: twice equals once."""

from collections.abc import Callable
from dataclasses import asdict

from models import invoices
from models.database import reading
from workers.adapters.payment import Charge, ChargeOutcome
from workers.base.logs import log
from workers.context import Context
from workers.effects.backup import back_up
from workers.effects.claim import NOTHING, Claim, EffectResult, Facts
from workers.effects.delete import delete
from workers.effects.mail import MOST_IN_A_LETTER, mail
from workers.effects.restore import restore


def provision(context: Context, work: Claim) -> EffectResult:
    """Build the site; twice finds it built."""
    site = work.site
    context.host.provision(site.id, hostname=site.host, email=site.email, agents=work.args["agents"], key=work.row.id)
    return EffectResult("site.provisioned")


def bring_online(context: Context, work: Claim) -> EffectResult:
    """Open the doors, for as many agents as may use it now; one that is offline again is left to its own effect."""
    if work.site.online:
        context.host.set_agent_limit(work.site.id, work.site.agents_allowed, key=work.row.id)
        context.host.bring_online(work.site.id, key=work.row.id)
    return NOTHING


def take_offline(context: Context, work: Claim) -> EffectResult:
    """Close the doors, unless the site has come back since."""
    if not work.site.online:
        context.host.take_offline(work.site.id, key=work.row.id)
    return NOTHING


def set_agent_limit(context: Context, work: Claim) -> EffectResult:
    """Tell the host the number that holds now, which may be newer than the one asked for."""
    context.host.set_agent_limit(work.site.id, work.site.agents_allowed, key=work.row.id)
    return NOTHING


def export(context: Context, work: Claim) -> EffectResult:
    """Build the download and read it back."""
    export_id = f"exp_{work.token}"
    with context.host.snapshot(work.site.id) as snapshot:
        built = context.downloads.build(work.site.id, export_id, snapshot)
    kept = {"id": export_id, "bytes": built.bytes, "sha256": built.sha256}
    row = {
        **kept,
        "site_id": work.site.id,
        "generation": work.args["generation"],
        "url": built.url,
        "ready_at": work.now,
        "lacks": built.lacks.row(),
    }
    missing = {"left_out": built.lacks.out.count, "left_out_names": list(built.lacks.out.names[:MOST_IN_A_LETTER])}
    return EffectResult(
        "site.export_ready",
        {**work.args, **kept, "url": built.url, **missing},
        export=row,
        event=("export.ready", {**kept, **built.lacks.told()}),
    )


def charge(context: Context, work: Claim) -> EffectResult:
    """Ask the card network under the payment's key, but look it up first: an earlier try may have been the last word.

    At the first try only a database that was restored finds something.
    """
    args = {**work.args, "currency": _currency(context, work)}
    if args["amount_cents"] == 0:  # version 0.1 asked for those as well
        return EffectResult("site.charge_succeeded", args)
    known = context.payments.lookup(args["payment_id"])
    if known is not None and work.row.fence == 1:
        _tell_of_a_charge_before_its_time(work)
    outcome = known or context.payments.charge(
        Charge(
            key=args["payment_id"],
            site_id=work.site.id,
            invoice_id=args["invoice_id"],
            amount_cents=args["amount_cents"],
            currency=args["currency"],
            payment_method=args["payment_method"] or "",
            at=work.now,
        )
    )
    return _charged(outcome, args)


def _currency(context: Context, work: Claim) -> str:
    """Frozen with the charge; one that version 0.1 asked for is in the site's, or in that of its invoice."""
    agreed: str | None = work.args.get("currency") or work.site.currency
    if agreed is not None:
        return agreed
    with reading(context.database) as tx:
        billed: str = invoices.invoice(tx, work.args["invoice_id"]).currency
    return billed


def _tell_of_a_charge_before_its_time(work: Claim) -> None:
    error = (
        f"{work.args['payment_id']} stands in the card network's books already, so this database is an older one: "
        f"it is not charged again; compare the amount there with invoice {work.args['invoice_id']}"
    )
    log.error("alarm", site=work.site.host, site_id=work.site.id, effect="charge", effect_id=work.row.id, error=error)


def _charged(outcome: ChargeOutcome, args: Facts) -> EffectResult:
    said = {**args, **asdict(outcome)}
    return EffectResult("site.charge_succeeded" if outcome.status == "succeeded" else "site.charge_declined", said)


HANDLERS: dict[str, Callable[[Context, Claim], EffectResult]] = {
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
