"""Nobody goes offline without having been told 48 hours before, however long the mail server was away."""

from datetime import timedelta

import pytest

from tests.world import HOST
from workers.base.errors import Temporary

THREAT = "goes offline on"


@pytest.fixture
def unpaid(world):
    """A site whose renewal has just been declined."""
    site = world.start_active()
    world.send("update_payment", payment_method="pm_declined")
    world.advance_to(site["period_ends_at"])
    return world


@pytest.fixture
def mail_server(unpaid, monkeypatch):
    """A mail server that is away until it is told to come back."""

    def is_away(_mail):
        raise Temporary("the mail server is away")

    with monkeypatch.context() as outage:
        outage.setattr(unpaid.context.mailer, "send", is_away)
        yield outage


def threats(world):
    return [mail["Subject"] for mail in world.mails() if THREAT in mail["Subject"]]


def test_a_notice_that_waited_for_the_mail_server_names_a_moment_that_is_48_hours_away(unpaid, mail_server):
    unpaid.advance(days=8)
    assert (unpaid.state(), threats(unpaid)) == ("past_due", [])

    mail_server.undo()
    unpaid.retry_now()
    ends = unpaid.now + timedelta(days=2)
    assert threats(unpaid) == [f"{HOST} {THREAT} {ends:%A %-d %B %Y, %H:%M} UTC"]
    unpaid.advance(days=2, microseconds=-1)
    assert unpaid.state() == "past_due"
    unpaid.advance(microseconds=1)
    assert unpaid.state() == "suspended"


def test_who_has_paid_meanwhile_is_not_told_of_a_suspension(unpaid, mail_server):
    unpaid.advance(days=6)
    unpaid.send("pay", payment_method="pm_visa")

    mail_server.undo()
    unpaid.retry_now()
    assert (unpaid.state(), unpaid.open_effects(), threats(unpaid)) == ("active", [], [])
