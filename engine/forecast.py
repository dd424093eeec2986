"""What a timer will do when its moment comes, in words and money, told before it happens."""

from dataclasses import dataclass

from engine.authority import kept_for
from engine.case import known
from engine.dunning import lacks_notice, next_try_at, suspends_at
from engine.policy import DAY, Policy
from engine.site import Site
from engine.timers import timers
from engine.words import agents_in_words, days_in_words, money


@dataclass(frozen=True, slots=True)
class Outlook:
    """A sentence, and the amount that will be charged in minor units, None where no money moves."""

    detail: str
    amount_cents: int | None = None


def outlook(site: Site, kind: str, policy: Policy) -> Outlook:
    """What `kind` will do to this site as things stand now."""
    match kind:
        case "renew":
            return _renewal(site, policy)
        case "retry_charge" if site.owed is not None:
            return _dunning(site, policy)
        case "remind":
            return _reminder(site, policy)
        case "warn":
            return Outlook("a mail: deletion in 7 days" if site.warned_at is None else "a mail: deletion in 48 hours")
        case _:
            kept, unpaid = kept_for(site, policy) // DAY, policy.unpaid // DAY
            return Outlook(DETAILS.get(kind, kind).format(kept=kept, unpaid=unpaid))


DETAILS = {
    "expire": "the trial expires: offline, a download, {kept} days",
    "end_period": "the cancellation takes effect: offline, a download, {kept} days",
    "give_up": "unpaid for {unpaid} days: cancelled, the invoice is uncollectible",
    "back_up_nightly": "the nightly backup",
    "delete": "permanently deleted, if every guard allows it",
}


def _reminder(site: Site, policy: Policy) -> Outlook:
    """How long before day 30 it comes."""
    due = timers(site, policy).get("remind")
    days = (
        "soon"
        if due is None or site.trial_ends_at is None
        else f"in {days_in_words((site.trial_ends_at - due) // DAY)}"
    )
    what = "the trial ends" if site.state == "trial" else "the first charge comes"
    return Outlook(f"a mail: {what} {days}")


def _renewal(site: Site, policy: Policy) -> Outlook:
    """The plan's next period; a waiting reduction counts if the agents are gone by then."""
    wanted, agents = site.next_agents, site.planned_agents or 0
    reduces = wanted is not None and agents == wanted
    amount = agents * (site.price_cents or 0)
    first = "first charge" if site.state == "trial_subscribed" else "renewal"
    note = f", reduced from {site.plan_agents}" if reduces else ""
    if wanted is not None and not reduces:
        note = f", not reduced to {wanted}: {agents_in_words(site.used_agents)} in use"
    return Outlook(
        f"{first} for {agents_in_words(agents)}{note}: {money(amount, site.currency or policy.currency)}", amount
    )


def _dunning(site: Site, policy: Policy) -> Outlook:
    owed = known(site.owed)
    if lacks_notice(owed, policy):
        return Outlook("a mail: the notice before the suspension, which could not be sent yet")
    suspends = owed.noticed_at is not None and known(next_try_at(owed, policy)) >= known(suspends_at(owed, policy))
    then = "; a decline suspends the site" if suspends else ""
    if owed.card_refused:
        return Outlook(f"the card may not be tried again{then.replace('a decline suspends', 'suspends')}")
    return Outlook(
        f"the unpaid {money(owed.amount_cents, site.currency or policy.currency)} are tried again{then}",
        owed.amount_cents,
    )
