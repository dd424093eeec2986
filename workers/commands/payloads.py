"""The data of each command, field by field, as contract.md section 1 has it."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from engine import PUBLIC, Refused
from engine.printable import UNSAFE_CLASS, is_printable
from workers.adapters.mail_address import LONGEST, normal
from workers.commands.wording import sentence, short, unprintable

Text = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    Field(json_schema_extra={"pattern": f"^[^{UNSAFE_CLASS}]+$"}),
]
"""Printable text: the door looks at all of a command's texts at once, which is five times as fast as at each."""

Email = Annotated[
    str, StringConstraints(max_length=LONGEST), AfterValidator(normal), Field(json_schema_extra={"format": "email"})
]
Agents = Annotated[int, Field(ge=1, le=100_000)]


JOINERS = dict.fromkeys((0x200C, 0x200D))
"""The zero-width joiner and non-joiner."""


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


class RecordRefund(Strict):
    """Which invoice was refunded at the payment provider, under which reference there, and why."""

    invoice: Text
    reference: Text
    reason: Text


class MailBounced(Strict):
    """Which letter came back from which address, and what the mail server said."""

    letter: Text
    address: Email
    reason: Text


class Reason(Strict):
    """Why an operator does it."""

    reason: Text


class PerhapsReason(Strict):
    """Why an operator does it, if that is to be said."""

    reason: Text | None = None


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
    "site.resume": PerhapsReason,
    "site.hold": Reason,
    "site.release": PerhapsReason,
    "site.retry": PerhapsReason,
    "site.record_refund": RecordRefund,
    "site.mail_bounced": MailBounced,
}
"""The data of each type. `site.show` is a question; the rest are the law's public commands."""

assert set(PUBLIC) <= set(FORMS), "every public command needs a form for its data"


def without_nulls(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """The data without the nulls of fields that the command knows: a null is the same as leaving it out."""
    form = FORMS.get(kind)
    if form is None or None not in data.values():
        return data
    return {name: value for name, value in data.items() if value is not None or name not in form.model_fields}


def checked(kind: str, data: dict[str, Any]) -> tuple[dict[str, Any], Refused | None]:
    """The data as the law gets it, or what is wrong with it."""
    try:
        read = FORMS[kind].model_validate(data)
    except ValidationError as wrong:
        extra = any(error["type"] == "extra_forbidden" for error in wrong.errors())
        return data, Refused("command.unexpected_field" if extra else "command.invalid_field", sentence(wrong, "data."))
    if not is_printable("".join([value for value in data.values() if isinstance(value, str)])):
        texts = {**data, "reason": _without_joiners(data.get("reason"))}
        if not is_printable("".join([value for value in texts.values() if isinstance(value, str)])):
            return data, unprintable("command.invalid_field", texts, "data.")
    if "email" in data:
        data = {**data, "email": read.email}  # type: ignore[attr-defined]
    return data, None


def _without_joiners(reason: Any) -> Any:
    """A reason is a person's words: emoji and some scripts need the joiners, which turn and hide nothing."""
    return reason.translate(JOINERS) if isinstance(reason, str) else reason


def unknown(kind: str) -> Refused:
    """The refusal of a type that is no command."""
    return Refused(
        "command.unknown_type", f"type {short(kind)!r} is not a command; the commands are {', '.join(FORMS)}"
    )
