"""The data of each command, field by field, as contract.md section 1 has it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from engine import PUBLIC

Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
Email = Annotated[
    str,
    StringConstraints(
        max_length=254, pattern=r"^[^\s@\x00-\x1f\x7f-\x9f<>,;:\"]{1,64}@[^\s@\x00-\x1f\x7f-\x9f<>,;:\"]{1,189}$"
    ),
]
Agents = Annotated[int, Field(ge=1, le=100_000)]


class Strict(BaseModel):
    """The data of one command: unknown fields are refused, and nothing is guessed from another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Nothing(Strict):
    """A command without data."""


class StartTrial(Strict):
    """Who starts a trial, and where its mails go."""

    account: Text
    email: Email


class Subscribe(Strict):
    """How many agents, and what pays for them."""

    agents: Agents
    payment_method: Text


class ChangePlan(Strict):
    """How many agents from now, or from the next period."""

    agents: Agents


class Pay(Strict):
    """The unpaid invoice, perhaps with a new card."""

    payment_method: Text | None = None


class UpdatePayment(Strict):
    """The card from now on."""

    payment_method: Text


class Cancel(Strict):
    """Why, and whether at once."""

    reason: Text | None = None
    when: Literal["now", "period_end"] = "now"


class UpdateContact(Strict):
    """Where mails go from now on."""

    email: Email


class Restore(Strict):
    """From which point, or from which backup by its id."""

    from_: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,100}$"), Field(alias="from")]


class Waive(Strict):
    """Which guard of the deletion an operator lifts, and why."""

    guard: Literal["export", "backup", "notice"]
    reason: Text


class ExtendTrial(Strict):
    """By how many whole days."""

    days: Annotated[int, Field(ge=1, le=366)]


class Reason(Strict):
    """Why an operator does it."""

    reason: Text


FORMS: dict[str, type[Strict]] = {
    "site.start_trial": StartTrial,
    "site.subscribe": Subscribe,
    "site.change_plan": ChangePlan,
    "site.pay": Pay,
    "site.update_payment": UpdatePayment,
    "site.cancel": Cancel,
    "site.keep": Nothing,
    "site.update_contact": UpdateContact,
    "site.export": Nothing,
    "site.back_up": Nothing,
    "site.restore": Restore,
    "site.show": Nothing,
    "site.waive": Waive,
    "site.extend_trial": ExtendTrial,
    "site.suspend": Reason,
    "site.resume": Nothing,
    "site.hold": Reason,
    "site.release": Nothing,
    "site.retry": Nothing,
}
"""The data of each type. `site.show` is a question; the rest are the law's public commands."""

assert set(PUBLIC) <= set(FORMS), "every public command needs a form for its data"
