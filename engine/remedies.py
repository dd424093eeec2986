"""What to do instead: the remedy that a refusal names, by where the site stands and what was asked."""

from engine.site import Site

IN_GENERAL = {
    "provisioning": "wait until it is ready",
    "failed": "site.retry builds it again, site.cancel gives it up",
    "trial": "use site.subscribe",
    "nonpayment": "use site.pay first",
    "operator": "ask support to resume it first",
    "cancelled": "use site.subscribe first",
    "expired": "use site.subscribe first",
    "deleting": "its deletion has begun; start a new trial when it is over",
}
"""By state, and by the reason of a suspension."""

SUBSCRIBED = "use site.change_plan for the agents, site.update_payment for the card"
RUN_OUT = "its time has run out: use site.subscribe"
KEPT = "use site.subscribe first; its download and its final backup are kept until the deletion"
NOT_SUSPENDED = "it is not suspended"
PAYING_CUSTOMER = "its trial is over: a plan is changed with site.change_plan"
NOT_LEAVING = "nothing of it is to be deleted: site.cancel comes first"

IN_PARTICULAR = {
    "site.subscribe": {"trial_subscribed": SUBSCRIBED, "active": SUBSCRIBED, "past_due": "use site.pay"},
    "site.change_plan": {"past_due": "use site.pay first"},
    "site.keep": {"cancelled": RUN_OUT, "expired": RUN_OUT},
    "site.back_up": {"cancelled": KEPT, "expired": KEPT},
    "site.restore": {"cancelled": KEPT, "expired": KEPT},
    "site.extend_trial": {
        "cancelled": "use site.subscribe or site.keep first",
        "operator": PAYING_CUSTOMER,
        "active": PAYING_CUSTOMER,
        "past_due": PAYING_CUSTOMER,
        "nonpayment": PAYING_CUSTOMER,
    },
    "site.resume": dict.fromkeys(
        ("trial", "trial_subscribed", "active", "past_due", "cancelled", "expired"), NOT_SUSPENDED
    ),
    "site.record_refund": dict.fromkeys(
        ("provisioning", "failed", "trial", "trial_subscribed"), "nothing was paid yet"
    ),
    "site.waive": dict.fromkeys(
        ("trial", "trial_subscribed", "active", "past_due", "nonpayment", "operator"), NOT_LEAVING
    ),
}


NEEDLESS = {
    "site.subscribe": "it is subscribed like this already",
    "site.change_plan": "the plan has this number already",
    "site.pay": "nothing is owed",
    "site.cancel": "it is cancelled already, or ends by itself",
    "site.keep": "no cancellation is planned; possible after one for the end of the period or of the trial",
    "site.update_contact": "this is the contact already",
    "site.waive": "this guard is waived already",
    "site.suspend": "it is suspended by an operator already",
    "site.hold": "a hold is on it already",
    "site.release": "possible only while a hold is on it",
    "site.retry": "nothing gave up",
    "site.mail_bounced": "no notice to this address counts as given",
    "site.export": "one is under way",
    "site.back_up": "one is under way",
}
"""What a `no_op` of each command means."""


def needless(command_type: str, site: Site) -> str:
    """Why there is nothing to do."""
    if command_type == "site.retry" and site.faults:
        return f"nothing to do: nothing is tried again here; {'; '.join(fault.sentence for fault in site.faults)}"
    return f"nothing to do: {NEEDLESS.get(command_type, 'it is so already')}"


def remedy(command_type: str, site: Site) -> str | None:
    """One clause, None where the allowed moves say it all."""
    standing = site.suspended_for if site.state == "suspended" else site.state
    return IN_PARTICULAR.get(command_type, {}).get(str(standing)) or IN_GENERAL.get(str(standing))
