"""Whose sites a producer may ask for: checked where the site is known, before the law is asked."""

import engine
from engine import Refused
from workers.commands.authentication import DENIED
from workers.commands.envelope import Envelope
from workers.commands.wording import short


def is_denied(envelope: Envelope) -> bool:
    """Whether it is refused because its sender may not ask for this."""
    return envelope.fault is not None and envelope.fault.code == DENIED


def may_be_told(envelope: Envelope, site: engine.Site | None) -> bool:
    """Whether a refusal may say how the site stands: not to a producer that may not ask for its account."""
    is_own = envelope.producer is None or site is None or envelope.producer.may_serve(site.account)
    return is_own and not is_denied(envelope)


def of_its_accounts(envelope: Envelope, site: engine.Site | None) -> Envelope:
    """The envelope, refused if its producer may not ask for the site's account, or for that of a new site."""
    producer = envelope.producer
    if producer is None or is_denied(envelope):
        return envelope
    if envelope.type == "site.start_trial":
        return _of_a_new_site(envelope, site)
    if site is None or producer.may_serve(site.account):
        return envelope
    why = f"subject {short(envelope.subject)!r} is a site of an account that {producer.name} may not ask for"
    return envelope._replace(fault=Refused(DENIED, f"{why}; ask an operator to add it to its accounts"))


def _of_a_new_site(envelope: Envelope, site: engine.Site | None) -> Envelope:
    """A hostname that another account has is taken; that account is nobody else's business."""
    producer, account = envelope.producer, envelope.data.get("account")
    if producer is None or not isinstance(account, str):
        return envelope
    if not producer.may_serve(account):
        why = f"data.account {short(account)!r} is not one that {producer.name} may ask for"
        return envelope._replace(fault=Refused(DENIED, f"{why}; ask an operator to add it to its accounts"))
    if site is not None and site.state != "deleted" and not producer.may_serve(site.account):
        why = f"subject {short(envelope.subject)!r} is taken; choose another hostname"
        return envelope._replace(fault=Refused("host.taken", why))
    return envelope
