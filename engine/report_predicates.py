"""Predicates about what an effect reports: which payment, backup, generation or invoice it speaks of."""

from engine.case import Case
from engine.vocabulary import predicate

# A charge


@predicate("if the reported charge is not the one under way", needs=("payment_id",))
def not_awaited(case: Case) -> bool:
    """An older charge, answered late."""
    return case.site.paying is None or case.site.paying.payment_id != case.given("payment_id")


@predicate("if the dropped charge is the one under way", needs=("payment_id",))
def is_the_pending_payment(case: Case) -> bool:
    return not not_awaited(case)


@predicate("if an operator dropped this charge", needs=("payment_id",))
def was_dropped(case: Case) -> bool:
    """The charge was dropped and was made after all."""
    return any(payment.payment_id == case.given("payment_id") for payment in case.site.dropped)


@predicate("if the payment is for a period")
def pays_period(case: Case) -> bool:
    return case.site.paying is not None and case.site.paying.reason in {"first_charge", "renewal", "retry"}


@predicate("if the payment is for added agents")
def pays_agents(case: Case) -> bool:
    return case.site.paying is not None and case.site.paying.reason == "change_plan"


@predicate("if the payment is for a new start")
def pays_new_start(case: Case) -> bool:
    return case.site.paying is not None and case.site.paying.reason == "new_start"


@predicate("if the payment is for a new start asked for since the site left")
def pays_return(case: Case) -> bool:
    """A payment asked for in an older generation brings nothing back to life."""
    paying = case.site.paying
    return paying is not None and paying.reason == "new_start" and paying.generation == case.site.generation


@predicate("if another card was named during the charge")
def card_changed(case: Case) -> bool:
    return case.site.paying is not None and case.site.paying.payment_method != case.site.payment_method


@predicate("if the report is about the invoice that is owed now", needs=("invoice_id",))
def of_the_owed_invoice(case: Case) -> bool:
    return case.site.owed is not None and case.given("invoice_id") == case.site.owed.invoice_id


# A backup, an export, a notice


@predicate("for a final backup", needs=("purpose",))
def is_final(case: Case) -> bool:
    return bool(case.given("purpose") == "final")


@predicate("if nothing was left out", needs=("left_out",))
def is_complete(case: Case) -> bool:
    """Of a backup or a download."""
    return not case.given("left_out")


@predicate("for a nightly backup", needs=("purpose",))
def is_nightly(case: Case) -> bool:
    return bool(case.given("purpose") == "nightly")


@predicate("if the report is about the present generation", needs=("generation",))
def of_this_generation(case: Case) -> bool:
    return bool(case.given("generation") == case.site.generation)
