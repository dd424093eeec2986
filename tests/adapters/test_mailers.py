import os
import re
import signal
import socketserver
import ssl
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from errno import ENOSPC
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.adapters.mail_server import Conversation, Server, parsed, running, tls
from workers.adapters.mailer import Mail, Mailer, MailOutage, message, open_mailer
from workers.adapters.mailers import smtp as smtps
from workers.adapters.mailers.smtp_delivery import Patience
from workers.base.errors import Permanent, Temporary, Unknown
from workers.effects.registry import definition_of
from workers.storage import atomic_files

AT = datetime(2026, 1, 25, 9, 30, tzinfo=UTC)
MAIL = Mail("site_1:0:mail:1", "owner@acme.example", "Welcome", "Hello,\n\nhttps://acme.example\n", AT)
STEPS = frozenset({"open", "flock", "write", "fsync", "mkdir", "close", "rename", "symlink", "sendall", "connect"})
HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Tenure-Key"]


@pytest.fixture
def server() -> Iterator[Server]:
    yield from running(Server())


@pytest.fixture
def secure_server() -> Iterator[Server]:
    yield from running(Server(implicit_tls=True))


def url_of(server: Server, scheme: str = "smtp", user: str = "") -> str:
    return f"{scheme}://{user}127.0.0.1:{server.server_address[1]}?from=Billing%20<billing@tenure.example>"


@dataclass(frozen=True)
class Kind:
    """A mailer under test: its URL, and what arrived outside."""

    url: str
    arrived: Callable[[Path], list[EmailMessage]]

    def open(self, folder: Path) -> Mailer:
        return open_mailer(self.url, folder)


def outbox(folder: Path) -> list[EmailMessage]:
    return [parsed(path.read_bytes()) for path in sorted((folder / "outbox").glob("*.eml"))]


@pytest.fixture(params=["file:", "smtp:"])
def kind(request: pytest.FixtureRequest, server: Server) -> Kind:
    return {"file:": Kind("file:", outbox), "smtp:": Kind(url_of(server), lambda _: server.mails)}[request.param]


class DieBefore:
    """A profile function that kills its own process with -9 before the n-th step towards the outside."""

    def __init__(self, step: int) -> None:
        self.left = step

    def __call__(self, _frame: object, event: str, called: object) -> None:
        if event == "c_call" and getattr(called, "__name__", "") in STEPS:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def start(act: Callable[[], object], profile: DieBefore | None = None) -> int:
    """Fork a child that acts; it ends with 0, with 1 after an exception, or killed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the server's thread only waits meanwhile
        child = os.fork()
    if child == 0:
        code = 1
        try:
            sys.setprofile(profile)
            act()
            code = 0
        finally:
            os._exit(code)
    return child


def end_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def keys(mails: list[EmailMessage]) -> set[tuple[str, str]]:
    return {(mail["X-Tenure-Key"], mail["Message-ID"]) for mail in mails}


class TestEveryMailer:
    def test_a_mail_arrives_as_it_was_written(self, kind: Kind, tmp_path: Path):
        kind.open(tmp_path).send(MAIL)
        (mail,) = kind.arrived(tmp_path)
        assert [name for name in mail if name in HEADERS] == HEADERS
        assert (mail["To"], mail["Subject"], mail["X-Tenure-Key"]) == (MAIL.to, MAIL.subject, MAIL.key)
        assert mail["Date"].datetime == AT
        assert mail.get_content().replace("\r\n", "\n") == MAIL.body

    @pytest.mark.parametrize(
        "body", ["Zahlung über 20 €\n.\n..\n", "\n", "https://x.example/" + "a" * 990 + "\n", "x" * 1_000 + "\n"]
    )
    def test_any_text_arrives(self, kind: Kind, tmp_path: Path, body: str):
        kind.open(tmp_path).send(replace(MAIL, body=body, subject="Grüße 🌊"))
        (mail,) = kind.arrived(tmp_path)
        assert (mail["Subject"], mail.get_content().replace("\r\n", "\n")) == ("Grüße 🌊", body)

    def test_a_link_of_900_letters_stays_whole_in_the_raw_mail(self, kind: Kind, tmp_path: Path):
        link = "https://x.example/=" + "a" * 880
        kind.open(tmp_path).send(replace(MAIL, body=f"Hello\n  {link}\n"))
        assert link in str(kind.arrived(tmp_path)[0])

    def test_sent_twice_it_is_the_same_mail(self, kind: Kind, tmp_path: Path):
        kind.open(tmp_path).send(MAIL)
        kind.open(tmp_path).send(replace(MAIL, at=AT.replace(hour=11), body="other facts by now\n"))
        mails = kind.arrived(tmp_path)
        assert len(keys(mails)) == 1
        assert mails[0].get_content().replace("\r\n", "\n") == MAIL.body

    def test_two_keys_are_two_mails(self, kind: Kind, tmp_path: Path):
        kind.open(tmp_path).send(MAIL)
        kind.open(tmp_path).send(replace(MAIL, key="another"))
        assert len(keys(kind.arrived(tmp_path))) == 2

    def test_killed_before_any_step_the_mail_arrives_whole_and_as_one(self, kind: Kind, tmp_path: Path):
        step, end = 0, -signal.SIGKILL
        while end == -signal.SIGKILL:
            step, folder = step + 1, tmp_path / str(step)
            mail = replace(MAIL, key=f"killed {step}")
            mailer = kind.open(folder)
            mailer.send(replace(MAIL, key="earlier"))
            end = end_of(start(lambda: mailer.send(mail), DieBefore(step)))  # noqa: B023 - ended here
            mailer.send(replace(mail, at=AT.replace(hour=11)))
            arrived = [found for found in kind.arrived(folder) if found["X-Tenure-Key"] == mail.key]
            assert len(keys(arrived)) == 1
            assert {found.get_content().replace("\r\n", "\n") for found in arrived} == {MAIL.body}
        assert end == 0
        assert step > 5

    def test_sent_by_several_processes_at_once_each_key_is_one_mail(self, kind: Kind, tmp_path: Path):
        mails = [replace(MAIL, key=f"key_{number}") for number in range(15)]
        children = [start(lambda: send_all(kind.open(tmp_path), mails)) for _ in range(3)]
        assert [end_of(child) for child in children] == [0, 0, 0]
        assert len(keys(kind.arrived(tmp_path))) == 15

    @pytest.mark.parametrize("name", ["key", "to", "subject"])
    @pytest.mark.parametrize("text", ["", "a@b.example\r\nBcc: c@d.example", "a@b.example\nX: y", "a\x00@b.example"])
    def test_a_value_that_would_forge_a_header_is_refused(self, kind, tmp_path, name, text):
        with pytest.raises(Permanent, match=f"a mail's {name} is"):
            kind.open(tmp_path).send(replace(MAIL, **{name: text}))
        assert kind.arrived(tmp_path) == []

    @pytest.mark.parametrize("to", ["nobody", "a@b, c@d", "Name <a@b>", "a@b;c@d", "a b@c", "a@b@c", "@b", "a@"])
    def test_anything_but_one_address_is_refused(self, kind: Kind, tmp_path: Path, to: str):
        with pytest.raises(Permanent, match=r"not one mail address: correct it"):
            kind.open(tmp_path).send(replace(MAIL, to=to))

    def test_says_that_it_can_be_used_and_sends_nothing(self, kind: Kind, tmp_path: Path):
        kind.open(tmp_path).writable()
        assert kind.arrived(tmp_path) == []


def send_all(mailer: Mailer, mails: list[Mail]) -> None:
    for mail in mails:
        mailer.send(mail)


@settings(deadline=None)
@given(st.text(), st.text(), st.text())
def test_no_text_forges_a_header(key: str, local: str, subject: str):
    mail = Mail(key, f"{local}@acme.example", subject, "Hello\n", AT)
    try:
        built = message(mail, "no-reply@tenure.example")
    except Permanent:
        return
    read = parsed(bytes(built))
    body = ["Content-Type", "Content-Transfer-Encoding", "MIME-Version"]
    assert sorted(read.keys()) == sorted([*HEADERS, *body])
    assert len(read["To"].addresses) == 1
    assert read.get_content() == "Hello\n"


class TestTheFolder:
    def test_names_sort_by_moment_and_hold_at_a_later_try(self, tmp_path: Path):
        mailer = open_mailer("file:", tmp_path)
        mailer.send(replace(MAIL, key="z", at=AT.replace(hour=1, minute=0)))
        mailer.send(replace(MAIL, key="a", at=AT.replace(hour=2, minute=0)))
        mailer.send(replace(MAIL, key="z", at=AT.replace(hour=3, minute=0)))
        names = sorted(path.name for path in (tmp_path / "outbox").glob("*.eml"))
        assert [name[:24] for name in names] == ["20260125T010000.000000Z-", "20260125T020000.000000Z-"]
        assert [mail["X-Tenure-Key"] for mail in outbox(tmp_path)] == ["z", "a"]

    def test_a_second_send_does_not_touch_the_first_file(self, tmp_path: Path):
        mailer = open_mailer("file:", tmp_path)
        mailer.send(MAIL)
        (path,) = (tmp_path / "outbox").glob("*.eml")
        before = path.stat()
        mailer.send(MAIL)
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)

    def test_a_full_disk_is_temporary_and_shows_no_part_of_a_mail(self, tmp_path, monkeypatch):
        mailer = open_mailer("file:", tmp_path)
        with monkeypatch.context() as full:
            full.setattr(atomic_files.os, "fsync", fails)
            with pytest.raises(Temporary, match="free space on this disk"):
                mailer.send(MAIL)
        assert outbox(tmp_path) == []
        mailer.send(MAIL)
        assert len(outbox(tmp_path)) == 1

    def test_says_what_to_do_when_the_folder_can_not_be_used(self, tmp_path: Path):
        (tmp_path / "file").touch()
        mailer = open_mailer("file:", tmp_path / "file")
        for call in (mailer.writable, lambda: mailer.send(MAIL)):
            with pytest.raises(Temporary, match=r"file: .*exists; something stands where a folder must be"):
                call()


def fails(*_: object) -> None:
    raise OSError(ENOSPC, "no more room")


REPLIES = [
    ("MAIL", "421 closing", MailOutage),
    ("MAIL", "451 no disk", MailOutage),
    ("MAIL", "550 sender unknown", MailOutage),
    ("MAIL", "530 5.7.0 log in first", MailOutage),
    ("MAIL", "553 5.7.1 sender not owned by user", MailOutage),
    ("RCPT", "421 closing", MailOutage),
    ("RCPT", "450 mailbox busy", Temporary),
    ("RCPT", "450 4.2.0 greylisted here", Temporary),
    ("RCPT", "451 4.7.1 greylisted there", MailOutage),
    ("RCPT", "452 4.2.2 mailbox full", Temporary),
    ("RCPT", "452 4.3.1 no disk", MailOutage),
    ("RCPT", "550 no such user", Permanent),
    ("RCPT", "550 5.1.1 no such user", Permanent),
    ("RCPT", "550 5.1.7 bad sender", MailOutage),
    ("RCPT", "550 5.1.8 bad domain of the sender", MailOutage),
    ("RCPT", "550 5.5.0 mailbox unavailable", Permanent),
    ("RCPT", "550 5.4.4 no such domain", Permanent),
    ("RCPT", "550 5.7.1 relaying denied", MailOutage),
    ("RCPT", "550 relay not permitted", MailOutage),
    ("RCPT", "550 Authentication required", MailOutage),
    ("RCPT", "530 log in first", MailOutage),
    ("RCPT", "552 mailbox full", Permanent),
    ("RCPT", "554 you are on a list", MailOutage),
    ("RCPT", "554 5.7.1 relay access denied", MailOutage),
    ("RCPT", "556 takes no mail", Permanent),
    ("RCPT", "503 what", MailOutage),
    ("DATA", "451 later", MailOutage),
    ("DATA", "554 no valid recipients", MailOutage),
    ("BODY", "421 closing", MailOutage),
    ("BODY", "451 later", MailOutage),
    ("BODY", "550 the content", Permanent),
    ("BODY", "550 5.7.1 looks like spam", MailOutage),
    ("BODY", "550 looks like spam", MailOutage),
    ("BODY", "552 too big", Permanent),
    ("BODY", "552 5.3.4 too big", Permanent),
    ("BODY", "554 5.6.0 no such charset", Permanent),
    ("BODY", "554 daily sending quota exceeded", MailOutage),
    ("BODY", "554 transaction failed", MailOutage),
]


class TestTheServer:
    @pytest.mark.parametrize(("step", "reply", "outcome"), REPLIES)
    def test_a_refusal_is_final_only_if_it_is_about_the_mailbox_or_the_content(
        self, server, tmp_path, step, reply, outcome
    ):
        server.says[step] = reply
        with pytest.raises(outcome, match=rf"{reply[:3]} '{re.escape(reply[4:])}'") as refused:
            open_mailer(url_of(server), tmp_path).send(MAIL)
        assert type(refused.value) is outcome
        assert server.mails == []

    @pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "BODY"])
    @pytest.mark.parametrize("code", [400, 499, 500, 599])
    def test_no_code_is_taken_for_a_success(self, server, tmp_path, step, code):
        server.says[step] = f"{code} the reason"
        with pytest.raises((Permanent, Temporary)):
            open_mailer(url_of(server), tmp_path).send(MAIL)

    @pytest.mark.parametrize("reply", ["what?", "354 again", "199 hm"])
    def test_what_is_no_answer_to_the_mail_leaves_open_whether_it_arrived(self, server, tmp_path, reply):
        server.says["AFTER"] = reply
        server.says["BODY"] = "250 taken"
        with pytest.raises(Unknown, match="may have arrived"):
            open_mailer(url_of(server), tmp_path).send(MAIL)

    @pytest.mark.parametrize("code", [421, 554])
    def test_a_bad_greeting_says_nothing_about_the_mail(self, server: Server, tmp_path: Path, code: int):
        server.says["HELLO"] = f"{code} not now"
        for call in (lambda mailer: mailer.send(MAIL), lambda mailer: mailer.writable()):
            with pytest.raises(Temporary, match=r"check TENURE_MAIL_URL"):
                call(open_mailer(url_of(server), tmp_path))

    @pytest.mark.parametrize("step", ["HELLO", "MAIL", "RCPT", "DATA"])
    def test_a_connection_lost_before_the_mail_is_temporary(self, server: Server, tmp_path: Path, step: str):
        server.drops_at = step
        with pytest.raises(MailOutage):
            open_mailer(url_of(server), tmp_path).send(MAIL)

    @pytest.mark.parametrize(("step", "arrived"), [("BODY", 0), ("AFTER", 1)])
    def test_a_connection_lost_after_data_is_unknown_and_sent_again_with_the_same_id(
        self, server, tmp_path, step, arrived
    ):
        server.drops_at = step
        mailer = open_mailer(url_of(server), tmp_path)
        with pytest.raises(Unknown, match="may have arrived"):
            mailer.send(MAIL)
        assert len(server.mails) == arrived
        server.drops_at = ""
        mailer.send(MAIL)
        assert (len(server.mails), len(keys(server.mails))) == (arrived + 1, 1)

    def test_a_server_that_is_slow_after_data_is_waited_for_and_gets_one_mail(self, server: Server, tmp_path: Path):
        server.waits = {"AFTER": 0.5}
        mailer = replace(open_mailer(url_of(server), tmp_path), patience=Patience(command=0.2, data=0.2, body=20.0))
        mailer.send(MAIL)
        assert len(server.mails) == 1

    @pytest.mark.parametrize(("step", "outcome"), [("MAIL", MailOutage), ("RCPT", MailOutage), ("DATA", MailOutage)])
    def test_silence_before_the_mail_is_on_its_way_is_an_outage(self, server, tmp_path, step, outcome):
        server.waits = {step: 60.0}
        with pytest.raises(outcome, match="before the mail was handed over"):
            replace(open_mailer(url_of(server), tmp_path), patience=Patience(0.05, 0.05, 0.05)).send(MAIL)
        assert server.mails == []

    def test_silence_after_the_mail_is_unknown(self, server: Server, tmp_path: Path):
        server.waits = {"AFTER": 60.0}
        with pytest.raises(Unknown, match="may have arrived"):
            replace(open_mailer(url_of(server), tmp_path), patience=Patience(5.0, 5.0, 0.05)).send(MAIL)

    def test_it_waits_as_long_as_the_standard_asks_and_never_longer_than_the_worker(self):
        assert (smtps.BY_THE_STANDARD.command, smtps.BY_THE_STANDARD.data) == (300, 120)
        assert smtps.BY_THE_STANDARD.body == 600
        assert definition_of("mail").patience_seconds > 600

    def test_a_silent_server_is_temporary(self, tmp_path):
        with socketserver.TCPServer(("127.0.0.1", 0), Conversation) as silent:
            mailer = open_mailer(f"smtp://127.0.0.1:{silent.server_address[1]}", tmp_path)
            with pytest.raises(MailOutage, match="timed out"):
                replace(mailer, patience=Patience(0.05, 0.05, 0.05)).send(MAIL)

    def test_while_it_is_away_one_letter_asks_for_it_and_the_others_do_not_wait(self, server: Server, tmp_path: Path):
        server.says["HELLO"] = "554 not now"
        mailer = open_mailer(url_of(server), tmp_path)
        with pytest.raises(MailOutage):
            mailer.send(MAIL)
        server.says.clear()
        server.waits = {"HELLO": 60.0}
        asking = threading.Thread(target=lambda: mailer.send(MAIL))
        asking.start()
        while not cast("Any", mailer).outage._asking.locked():
            time.sleep(0.001)
        with pytest.raises(MailOutage, match="not now"):
            mailer.send(replace(MAIL, key="another"))
        server.leaving.set()
        asking.join()
        mailer.send(replace(MAIL, key="another"))
        assert len(server.mails) == 2

    def test_a_server_that_is_not_there_is_temporary(self, tmp_path: Path):
        with socketserver.TCPServer(("127.0.0.1", 0), Conversation) as gone:
            port = gone.server_address[1]
        with pytest.raises(Temporary, match=rf"127\.0\.0\.1:{port} is of no use now"):
            open_mailer(f"smtp://127.0.0.1:{port}", tmp_path).send(MAIL)

    def test_a_bad_goodbye_changes_nothing(self, server: Server, tmp_path: Path):
        server.drops_at = "QUIT"
        open_mailer(url_of(server), tmp_path).send(MAIL)
        assert len(server.mails) == 1

    def test_the_sender_is_the_one_in_the_url(self, server: Server, tmp_path: Path):
        open_mailer(url_of(server), tmp_path).send(MAIL)
        assert server.mails[0]["From"] == "Billing <billing@tenure.example>"
        assert server.mails[0]["Message-ID"].endswith("@tenure.example>")
        assert any(line.startswith("mail FROM:<billing@tenure.example>") for line in server.heard)

    def test_an_address_beyond_ascii_needs_a_server_that_can(self, server: Server, tmp_path: Path):
        mail = replace(MAIL, to="jürgen@acme.example")
        with pytest.raises(Permanent, match="SMTPUTF8"):
            open_mailer(url_of(server), tmp_path).send(mail)
        server.offers = ["SMTPUTF8", "8BITMIME"]
        open_mailer(url_of(server), tmp_path).send(mail)
        assert server.mails[0]["To"] == "jürgen@acme.example"

    def test_it_logs_in_with_what_the_url_says(self, server: Server, tmp_path: Path):
        server.offers = ["AUTH PLAIN"]
        open_mailer(url_of(server, user="me:p%40ss@"), tmp_path).send(MAIL)
        assert "AUTH PLAIN AG1lAHBAc3M=" in server.heard
        server.says["AUTH"] = "535 no"
        with pytest.raises(Temporary, match="check TENURE_MAIL_URL") as refused:
            open_mailer(url_of(server, user="me:p%40ss@"), tmp_path).send(MAIL)
        assert "p@ss" not in str(refused.value)

    def test_a_password_never_goes_over_the_wire_in_clear(self, server, tmp_path, monkeypatch):
        monkeypatch.setattr(smtps, "THIS_MACHINE", frozenset())
        server.offers = ["AUTH PLAIN"]
        with pytest.raises(Temporary, match="use smtps://"):
            open_mailer(url_of(server, user="me:secret@"), tmp_path).send(MAIL)
        assert not [line for line in server.heard if "AUTH" in line]

    def test_starttls_is_used_where_it_is_offered(self, server: Server, tmp_path: Path):
        server.offers = ["STARTTLS"]
        mailer = open_mailer(url_of(server), tmp_path)
        replace(mailer, tls=tls(ssl.PROTOCOL_TLS_CLIENT)).send(MAIL)
        assert len(server.mails) == 1
        assert [line.split(" ")[0] for line in server.heard[:3]] == ["ehlo", "STARTTLS", "ehlo"]

    @pytest.mark.parametrize("user", ["", "me:secret@"])
    def test_required_tls_that_is_not_offered_sends_nothing(self, server: Server, tmp_path: Path, user: str):
        server.offers = ["AUTH PLAIN"]
        with pytest.raises(MailOutage, match="TLS is required and it offers none"):
            open_mailer(f"{url_of(server, user=user)}&tls=required", tmp_path).send(MAIL)
        assert [line.split(" ")[0] for line in server.heard] == ["ehlo"]

    def test_required_tls_is_used(self, server: Server, tmp_path: Path):
        server.offers = ["STARTTLS"]
        mailer = open_mailer(f"{url_of(server)}&tls=required", tmp_path)
        replace(mailer, tls=tls(ssl.PROTOCOL_TLS_CLIENT)).send(MAIL)
        assert (len(server.mails), server.mails[0]["From"]) == (1, "Billing <billing@tenure.example>")

    def test_a_notice_of_a_failed_delivery_is_asked_for_where_it_is_offered(self, server: Server, tmp_path: Path):
        mailer = open_mailer(url_of(server), tmp_path)
        mailer.send(MAIL)
        assert not [line for line in server.heard if "NOTIFY" in line or "ENVID" in line]
        server.offers = ["DSN"]
        mailer.send(MAIL)
        name = server.mails[1]["Message-ID"].strip("<").partition("@")[0]
        assert f"mail FROM:<billing@tenure.example> RET=HDRS ENVID={name}" in server.heard
        assert "rcpt TO:<owner@acme.example> NOTIFY=FAILURE,DELAY" in server.heard

    def test_smtps_speaks_tls_from_the_first_byte(self, secure_server: Server, tmp_path: Path):
        mailer = open_mailer(url_of(secure_server, "smtps"), tmp_path)
        replace(mailer, tls=tls(ssl.PROTOCOL_TLS_CLIENT)).send(MAIL)
        assert len(secure_server.mails) == 1

    def test_a_server_that_can_not_show_who_it_is_gets_no_mail(self, server, secure_server, tmp_path):
        server.offers = ["STARTTLS"]
        for url in (url_of(server), url_of(secure_server, "smtps")):
            with pytest.raises(Temporary, match="check TENURE_MAIL_URL"):
                open_mailer(url, tmp_path).send(MAIL)
        assert server.mails == secure_server.mails == []


@pytest.mark.parametrize(
    ("url", "port", "sender"),
    [
        ("smtp://mail.example", 25, "no-reply@mail.example"),
        ("smtp://me:pw@mail.example", 587, "no-reply@mail.example"),
        ("smtps://mail.example/", 465, "no-reply@mail.example"),
        ("smtp://mail.example:2525?from=a@b.example", 2525, "a@b.example"),
    ],
)
def test_a_url_names_host_port_and_sender(url: str, port: int, sender: str, tmp_path: Path):
    mailer = open_mailer(url, tmp_path)
    assert isinstance(mailer, smtps.Smtp)
    assert (mailer.host, mailer.port, mailer.sender) == ("mail.example", port, sender)
    assert "pw" not in repr(mailer)


@pytest.mark.parametrize(
    "url",
    [
        *("file", "file:/elsewhere", "sendmail:"),
        *("smtp:", "smtp://", "smtp://h:port"),
        *("smtp://h:0", "smtp://h:99999", "smtp://h/path"),
        *("smtp://[::", "smtp://h?from=nobody", "smtp://h?form=a@b.example"),
        *("smtp://h?tls=maybe", "smtp://h?tls="),
        *("smtp://h?from=a@b%0ABcc:c@d", "gopher://me:secret@h"),
    ],
)
def test_a_url_that_chooses_no_mailer_is_refused_with_the_remedy(url: str, tmp_path: Path):
    with pytest.raises(ValueError, match=r"TENURE_MAIL_URL='.*set ") as refused:
        open_mailer(url, tmp_path)
    assert "secret" not in str(refused.value)
