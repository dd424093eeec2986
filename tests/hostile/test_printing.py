"""What people read: nothing from outside acts on a terminal, no secret is shown, and no line of the log is endless."""

import io
import json
import logging
import sys
import threading

import pytest
import structlog
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from engine.printable import UNSAFE, escaped, is_printable
from models.database import writing
from models.receipt import RECEIPTS
from models.site import SITES
from tests.hostile.envelopes import HARMFUL
from workers.adapters.mailer import open_mailer
from workers.base import log_formats, masking, terminal
from workers.base.logs import configure, log
from workers.base.masking import hidden, learn, mask
from workers.base.settings import SettingsError, load, masked
from workers.cli import text as shown
from workers.cli import verb
from workers.cli.main import main
from workers.commands import dead_letters

ALL = "".join(text for name, text in HARMFUL.items() if name != "half a character")

VERBS = (
    *(
        ["site", "show", "SITE"],
        ["site", "history", "SITE"],
        ["site", "why", "SITE"],
        ["site", "list"],
        ["dead", "list"],
    ),
    *(["due"], ["backup", "list", "SITE"], ["deletion", "list"], ["site", "show", "a\x1b]0;owned\x07b\u202e.example"]),
    ["send", "a\x1bb", "acme.example.com", "--dry-run", "--timeout", "0.01"],
)


def every_text(world):
    """PostgreSQL has never taken a NUL."""
    return ALL.replace("\0", "") if world.context.database.dialect.name == "postgresql" else ALL


@pytest.fixture
def old_rows(world, monkeypatch):
    """A site of before, in which everything that may hold a text holds every harmful character."""
    world.start_trial()
    text = every_text(world)
    with writing(world.context.database) as tx:
        tx.execute(SITES.update().values(account=text, attention=text, held_for=text, held_since=world.now))
        tx.execute(RECEIPTS.update().values(source=text, code=text))
    dead_letters.keep_unreadable(world.context, "lifecycle", ALL.encode(), "no reason")
    monkeypatch.setattr(verb, "load", lambda: world.context.settings)
    monkeypatch.setattr(verb, "Context", lambda _settings: world.context)
    monkeypatch.setattr(verb.logs, "configure", lambda *_args, **_more: None)
    return world


def test_whatever_the_command_line_prints_is_escaped_and_json_stays_json(old_rows):
    for words in VERBS:
        for form in ([], ["--json"]):
            done = CliRunner().invoke(main, [word.replace("SITE", "acme.example.com") for word in (*words, *form)])
            for said in (done.stdout, done.stderr):
                assert all(map(is_printable, said.split("\n"))), (words, said)
            if form and done.exit_code == 0:
                assert len(done.stdout.splitlines()) == 1
                assert json.loads(done.stdout)["schema"]


def test_old_texts_are_read_back_exactly_from_json(old_rows):
    done = CliRunner().invoke(main, ["site", "show", "acme.example.com", "--json"])
    assert json.loads(done.stdout)["account"] == every_text(old_rows)
    assert escaped(every_text(old_rows)) in CliRunner().invoke(main, ["site", "show", "acme.example.com"]).stdout


@pytest.mark.parametrize("text", HARMFUL.values(), ids=list(HARMFUL))
def test_an_event_is_one_line_for_people_and_for_programs(capsys, text):
    body = {"time": text, "subject": text, "type": text, "data": {"code": text, "error": text, text: text}}
    terminal.out(body, shown.event, as_json=False)
    terminal.out(body, shown.event, as_json=True)
    people, program = capsys.readouterr().out.splitlines()
    assert is_printable(people)
    assert is_printable(program)
    assert json.loads(program) == body


@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_document_is_one_printable_line_of_the_same_json(document):
    line = terminal.json_line(document)
    assert is_printable(line)
    assert json.loads(line) == document


def test_a_warning_is_one_line_without_secrets(capsys):
    learn(["redis:/:t0psecret@h"])
    terminal.warn("wrong:\n\x1b[31m t0psecret")
    assert capsys.readouterr().err == "wrong:\\n\\x1b[31m ***\n"


def test_a_crash_shows_its_traceback_without_secrets_and_escaped(capsys):
    learn(["redis:/:t0psecret@h"])
    with pytest.raises(RuntimeError) as crash:
        fail("\x1b[31m redis:/:t0psecret@h")
    terminal.show_crash(crash.type, crash.value, crash.tb)
    said = capsys.readouterr().err
    assert "t0psecret" not in said
    assert said.startswith("Traceback (most recent call last):\n")
    assert UNSAFE.sub("", said.replace("\n", "")) == said.replace("\n", "")


def test_a_crash_of_any_process_or_thread_goes_the_same_way(capsys, monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    learn(["redis:/:t0psecret@h"])
    terminal.take_over()
    thread = threading.Thread(target=fail, args=("\x1b t0psecret",), name="beat")
    thread.start()
    thread.join()
    said = capsys.readouterr().err
    assert sys.excepthook is terminal.show_crash
    assert said.startswith("the thread beat ended:\nTraceback")
    assert "RuntimeError: \\x1b ***" in said


# Secrets

SECRET = "S3CRETw0rd"
SHAPES = (
    *("redis:/:{}@h", "redis://:{}@h:1/0", "redis:{}@h", "redis//:{}@h", "redis:\\\\:{}@h", "redis://{}@h"),
    *("redis://:{}@h:port/0", "redis:/:{}", "redis://:{}", "redis://h:{}/0", "redis://:a@{}@h", "{}@h"),
    *("redis://:{}?x@h", "redis://:{}#x@h", "redis://u:1?{}@h", "rediss://u:{}@[::1]:6379", "REDIS://:{}@h"),
    *("redis://:{} x@h", "redis://:{}/x@h", "user:{}@h"),
    *("postgresql://u:{}@a:1,b:2/d", "postgresql:/u:{}@h/d", "postgresql://h/d?password={}", "postgres://u:{}@"),
    *("smtp://u:{}@h?from=a@b.example", "smtps:u:{}@h", "smtp://u:{}@h:port", "s3://b?endpoint=http://u:{}@minio"),
    *("redis://:{}@[::", "stripe:sk_live_{}", "gopher://me:{}@h", "redis://:{}@h@", "redis://:{}\uff20h", "redis://:{}@h:6379/0?a@b"),
)  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "name",
    ["REDIS_URL", "DATABASE_URL", "MAIL_URL", "BACKUPS_URL", "PAYMENTS_URL", "HOST_URL", "DATA_DIR", "TRIAL_DAYS"],
)
def test_a_secret_in_an_address_of_any_shape_is_shown_nowhere(shape, name, tmp_path):
    given_url = shape.format(SECRET)
    assert SECRET not in mask(given_url)
    try:
        settings = load({"TENURE_DATA_DIR": str(tmp_path), f"TENURE_{name}": given_url})
        said = f"{masked(settings)} {settings!r}"
    except SettingsError as wrong:
        said = str(wrong)
    assert SECRET not in said or name == "DATA_DIR"


@pytest.mark.parametrize("shape", SHAPES)
def test_what_a_library_says_of_such_an_address_is_hidden(shape, tmp_path):
    url = shape.format(SECRET)
    with pytest.raises(SettingsError):
        load({"TENURE_REDIS_URL": url, "TENURE_TRIAL_DAYS": "no", "TENURE_DATA_DIR": str(tmp_path)})
    for quoted in (f"Port could not be cast to integer value as {SECRET!r}", f"can't connect to {url}", SECRET):
        assert SECRET not in hidden(quoted)
    assert SECRET not in opened(url, tmp_path)


def opened(url, data_dir):
    """The mailer of an address, or what is wrong with it."""
    try:
        return repr(open_mailer(url, data_dir))
    except ValueError as wrong:
        return str(wrong)


@pytest.mark.parametrize(
    "url",
    ["redis://h:6379/0", "sqlite:////tmp/x.db", "smtp://h?from=me@x.example", "exec:/path/to/program", "file:",
     "s3://bucket/prefix?endpoint=http://minio:9000&region=eu", "postgresql://a:1,b:2/d?x=1", "redis://[::1]:6379/0"],
)  # fmt: skip
def test_an_address_without_a_secret_is_shown_as_it_is(url):
    assert mask(url) == url
    assert not list(masking._secrets_of(url))


# The log


@pytest.fixture(params=["console", "json", "logfmt"])
def written(request):
    handlers, level = logging.getLogger().handlers, logging.getLogger().level
    pipe = io.StringIO()
    configure(request.param, pipe)
    yield pipe
    logging.getLogger().handlers = handlers
    logging.getLogger().setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("unit", ["x", "\x1b", "\U0001f600", "ä", '"', "\\", "\U000e0041", "a@b.example "])
def test_a_line_is_bounded_whatever_its_values_hold(written, unit):
    log.error("failed", site=unit * 300_000, error=unit * 300_000, source=unit * 300_000, other={"a": unit * 300_000})
    line = written.getvalue()
    assert len(line.encode()) <= log_formats.LONGEST_LINE + 1
    assert len(line.splitlines()) == 1
    assert "characters …" in line or "\\u2026" in line


def test_a_value_of_a_hundred_lines_keeps_its_beginning_and_its_end(written):
    log.error("failed", error="first " + "x" * 100_000 + " last")
    assert "first" in written.getvalue()
    assert "last" in written.getvalue()


def test_a_number_beyond_all_bounds_is_cut_too(written):
    log.info("moved", other=10**4000, attempt=7)
    assert len(written.getvalue()) < 2_000
    assert "7" in written.getvalue()


def test_a_traceback_that_quotes_a_secret_is_logged_without_it(written):
    learn(["redis:/:t0psecret@h"])
    with pytest.raises(RuntimeError) as crash:
        fail("Port could not be cast to integer value as 't0psecret'")
    log.error("failed", site="x", exc_info=crash.value)
    assert "t0psecret" not in written.getvalue()
    assert "in fail" in written.getvalue()


def fail(text):
    raise RuntimeError(text)


def test_an_ordinary_line_is_not_touched(written):
    log.info("moved", site="acme.example.com", source="shop", next="expire 2026-03-02T09:30:00.000000Z")
    assert "…" not in written.getvalue()
    assert "acme.example.com" in written.getvalue()
