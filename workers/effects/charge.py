"""Charging a card. One payment is one charge, however often it is asked for."""

from dataclasses import asdict

import engine
from models import invoices
from models.database import reading
from workers.adapters.payment import Charge, ChargeOutcome
from workers.base.logs import log
from workers.context import Context
from workers.effects.claim import Claim, EffectResult, Facts

SUCCEEDED, DECLINED = "site.charge_succeeded", "site.charge_declined"


def charge(context: Context, claim: Claim) -> EffectResult:
    """Ask the card network under the payment's key, but look it up first: an earlier try may have been the last word.

    At the first try only a database that was restored finds something.
    """
    args = {**claim.args, "currency": _currency(context, claim)}
    if args["amount_cents"] == 0:  # version 0.1 asked for those as well
        return EffectResult(SUCCEEDED, args)
    asked = Charge(
        key=args["payment_id"],
        site_id=claim.site.id,
        invoice_id=args["invoice_id"],
        amount_cents=args["amount_cents"],
        currency=args["currency"],
        payment_method=args["payment_method"] or "",
        at=claim.now,
    )
    known = context.payments.lookup(asked)
    if known is not None and claim.row.fence == 1:
        _warn_of_an_older_database(claim)
    outcome = known or context.payments.charge(asked)
    return _result(outcome, args)


def _currency(context: Context, claim: Claim) -> str:
    """Frozen with the charge; one that version 0.1 asked for is in the site's, or in that of its invoice."""
    agreed: str | None = claim.args.get("currency") or claim.site.currency
    if agreed is not None:
        return agreed
    with reading(context.database) as tx:
        billed: str = invoices.invoice(tx, claim.args["invoice_id"]).currency
    return billed


def _warn_of_an_older_database(claim: Claim) -> None:
    error = (
        f"{claim.args['payment_id']} stands in the card network's books already, so this database is an older one: "
        f"it is not charged again; compare the amount there with invoice {claim.args['invoice_id']}"
    )
    log.error(
        "alarm", site=claim.site.host, site_id=claim.site.id, effect="charge", effect_id=claim.row.id, error=error
    )


def _result(outcome: ChargeOutcome, args: Facts) -> EffectResult:
    return EffectResult(SUCCEEDED if outcome.status == "succeeded" else DECLINED, {**args, **asdict(outcome)})


def was_dropped(site: engine.Site, claim: Claim, result: EffectResult) -> bool:
    """Whether an operator had dropped a charge that was made after all: the money is to go back."""
    paid = claim.args["payment_id"]
    return result.command == SUCCEEDED and paid in {payment.payment_id for payment in site.dropped}
