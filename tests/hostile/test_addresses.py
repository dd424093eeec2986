"""E-mail addresses: what the door takes can be sent, what can't be sent is refused there, and one mailbox gets it."""

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy

import email_validator
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.database import writing
from models.site import SITES
from tests.hostile.envelopes import HARMFUL, envelope
from workers.adapters.mail_address import _library, normal
from workers.adapters.mailer import Mail, message
from workers.adapters.mailers.smtp import Smtp
from workers.base.errors import Permanent
from workers.commands.envelope import read

AT = datetime(2026, 1, 25, 9, 30, tzinfo=UTC)
MAIL = Mail("key", "owner@acme.example", "Welcome", "Hello\n", AT)

GOOD = {
    "owner@acme.example": "owner@acme.example",
    "Owner+x@ACME.Example": "Owner+x@acme.example",
    "o'neil@acme.example": "o'neil@acme.example",
    "INFO@acme.example": "INFO@acme.example",
    "a@x.test": "a@x.test",
    "a@x.invalid": "a@x.invalid",
    "owner@bücher.example": "owner@xn--bcher-kva.example",
    "owner@xn--bcher-kva.example": "owner@xn--bcher-kva.example",
    "owner@ｂücher。example": "owner@xn--bcher-kva.example",
    "jo\u0308rg@acme.example": "jörg@acme.example",
    f"{'x' * 64}@acme.example": f"{'x' * 64}@acme.example",
}
BAD = (
    *("a(b)@acme.example", "jo\\hn@acme.example", "=?utf-8?q?victim=40bank.example=2C?=@acme.example", "nobody"),
    *("a@b", "a@localhost", "a@acme.local", "a@[127.0.0.1]", "a@[IPv6:::1]", '"a b"@acme.example', '"a"@acme.example'),
    *("a..b@acme.example", ".a@acme.example", "a.@acme.example", "a@acme..example", "a@acme.example."),
    *("a@-acme.example", "Jo <a@acme.example>", "a@acme.example, b@acme.example", "a@b@acme.example", "a@acme.123"),
    *("a@10.0.0.1", "a@ac_me.example", "a@xn--a.example", "a@ab--cd.example", f"{'x' * 65}@acme.example"),
    *(f"a@{'x' * 64}.example", f"a@{'.'.join(['x' * 60] * 5)}.example", "a\uff20acme.example", "@acme.example", "a@"),
    "a b@acme.example",
)  # fmt: skip


@pytest.mark.parametrize(("given", "kept"), GOOD.items())
def test_an_address_that_passes_is_kept_in_one_form_and_sent_to_as_it_is(given, kept):
    data = {"account": "acme", "email": given}
    taken = read((envelope(data=data),))
    assert taken.fault is None
    assert taken.data["email"] == kept
    assert recipients(message(replace(MAIL, to=given), "no-reply@tenure.example")) == [kept]


@pytest.mark.parametrize("given", [*BAD, *(f"{text}@acme.example" for text in HARMFUL.values())])
def test_an_address_that_can_not_be_sent_to_is_refused_by_the_door_and_by_the_mailers(given):
    fault = read((envelope(data={"account": "acme", "email": given}),)).fault
    assert fault.code in {"command.invalid_field", "envelope.malformed"}
    assert "@" not in str(fault)
    with pytest.raises(Permanent):
        message(replace(MAIL, to=given), "no-reply@tenure.example")


def recipients(built):
    read_again = message_from_bytes(bytes(built).decode().encode(), policy=policy.default.clone(utf8=True))
    text = str(read_again["To"]).encode("utf-8", "surrogateescape").decode()
    return [text]


@given(st.emails() | st.from_regex(r"[A-Za-z0-9_+.-]{1,20}@[a-z0-9.-]{1,30}", fullmatch=True))
def test_what_is_taken_at_once_the_library_takes_as_well(text):
    try:
        found = _library().validate_email(text, strict=True, check_deliverability=False)
        expected = f"{text.rpartition('@')[0]}@{found.ascii_domain}"
    except email_validator.EmailNotValidError:
        with pytest.raises(ValueError, match=r"address|at sign|at most"):
            normal(text)
        return
    if "=?" not in text:
        assert normal(text) == expected


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_text_that_passes_makes_a_second_recipient(local, domain):
    try:
        to = normal(f"{local}@{domain}.example")
    except ValueError:
        return
    built = message(replace(MAIL, to=to), "no-reply@tenure.example")
    assert [one.addr_spec for one in built["To"].addresses] == [to]
    assert normal(to) == to


@pytest.mark.parametrize(
    "subject", ["=?utf-8?q?Hi=0D=0ABcc:_v=40b.example?= x", "a =?utf-8?b?QmNjOiBhQGIuZXhhbXBsZQ==?="]
)
def test_a_subject_that_looks_encoded_is_not_decoded_by_its_reader(subject):
    raw = bytes(message(replace(MAIL, subject=subject), "no-reply@tenure.example"))
    read_again = message_from_bytes(raw, policy=policy.default)
    assert read_again["Subject"] == subject.replace("=?", "= ?")
    assert read_again["Bcc"] is None


# A local part beyond ASCII


class Server:
    """What a mail server says to EHLO."""

    def __init__(self, *extensions):
        self.extensions = extensions

    def has_extn(self, name):
        return name in self.extensions


@pytest.mark.parametrize(("extensions", "outcome"), [(("smtputf8",), "applied"), ((), "refused")])
def test_a_local_part_beyond_ascii_is_taken_if_the_mailer_in_use_can_send_to_it(
    world, monkeypatch, extensions, outcome
):
    asked = []
    mailer = Smtp("mail.example", 25, "no-reply@tenure.example")
    world.context.__dict__["mailer"] = mailer
    monkeypatch.setattr(Smtp, "_conversation", lambda self: Conversation(asked, self, Server(*extensions)))
    for number in range(3):
        said = world.say("start_trial", f"s{number}.example.com", account="a", email="jörg@acme.example")
        assert said["outcome"] == outcome
        if outcome == "refused":
            assert said["code"] == "command.invalid_field"
            assert "SMTPUTF8" in said["message"]
            assert "jörg" not in said["message"]
    assert len(asked) == 1
    assert asked[0].patience.command < 5
    assert world.say("start_trial", account="a", email="joerg@äcme.example")["outcome"] == "applied"


class Conversation:
    def __init__(self, asked, mailer, server):
        asked.append(mailer)
        self.server = server

    def __enter__(self):
        return self.server

    def __exit__(self, *_):
        return None


def test_a_mail_server_that_does_not_answer_refuses_nobody_and_is_not_asked_by_each(world, monkeypatch):
    world.context.__dict__["mailer"] = Smtp("127.0.0.1", 1, "no-reply@tenure.example")
    tried = []
    monkeypatch.setattr(Smtp, "_connect", lambda self: tried.append(self) or fail())
    for number in range(3):
        said = world.say("start_trial", f"s{number}.example.com", account="a", email="jörg@acme.example")
        assert said["outcome"] == "applied"
    assert len(tried) == 1


def fail():
    raise ConnectionRefusedError


def test_the_outbox_takes_a_local_part_beyond_ascii(world):
    world.send("start_trial", account="a", email="jörg@äcme.example")
    assert world.mails()[0]["To"] == "jörg@xn--cme-pla.example"


# Contacts of before


@pytest.mark.parametrize("old", ["owner@localhost", "a(b)@acme.example", "=?utf-8?q?v=40b.example=2C?=@acme.example"])
def test_a_contact_that_would_not_pass_today_stops_no_life_and_is_seen(world, old):
    world.start_trial()
    with writing(world.context.database) as tx:
        tx.execute(SITES.update().values(email=old))
    before = len(world.mails())
    world.send("cancel")
    assert "site.update_contact" in world.show()["attention"]
    assert "***" in world.show()["attention"]
    world.advance(days=15)
    assert world.state() == "cancelled"
    assert "site.update_contact" in world.show()["attention"]
    world.send("waive", guard="notice", reason="the address takes no mail")
    world.advance(days=3)
    assert world.state() == "deleted"
    assert len(world.mails()) == before
