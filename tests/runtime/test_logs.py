import io
import json
import logging
import multiprocessing
import os
import re
import threading
from collections import Counter
from datetime import UTC, datetime

import pytest
import structlog
from dramatiq.compat import StreamablePipe

from workers.base import logs
from workers.base.log_formats import KEYS
from workers.base.logs import WORDS, configure, log


class Pipe(io.StringIO):
    """What a log is written to in the tests."""

    def __init__(self, *, is_terminal=False):
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal


@pytest.fixture(autouse=True)
def _configuration(monkeypatch):
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def written(log_format, *, is_terminal=False):
    pipe = Pipe(is_terminal=is_terminal)
    configure(log_format, pipe)
    return pipe


def test_every_key_of_the_contract_stands_in_its_order():
    pipe = written("json")
    log.info("moved", **dict.fromkeys(reversed(KEYS[3:]), 1))
    assert list(json.loads(pipe.getvalue())) == list(KEYS)


def test_the_machines_time_is_utc_with_six_digits():
    pipe = written("json")
    log.info("moved", due=datetime(2027, 1, 2, 3, tzinfo=UTC))
    line = json.loads(pipe.getvalue())
    assert datetime.strptime(line["ts"], "%Y-%m-%dT%H:%M:%S.%f%z").tzinfo is not None
    assert len(line["ts"]) == len("2027-01-02T03:00:00.000000Z")
    assert line["due"] == "2027-01-02T03:00:00.000000Z"


def test_a_word_that_is_not_in_the_list_is_an_error():
    written("json")
    with pytest.raises(ValueError, match="'Moved the site' is not a log word"):
        log.info("Moved the site")
    assert len(WORDS) == 18


def test_nothing_is_said_about_what_is_not_known():
    pipe = written("logfmt")
    log.info("moved", site="acme.example.com", error=None)
    assert re.search(r" level=info msg=moved site=acme\.example\.com worker=tenure\.\d+\.\S+\n$", pipe.getvalue())


@pytest.mark.parametrize("log_format", ["console", "json", "logfmt"])
@pytest.mark.parametrize("end", ["\n", "\r", "\u2028", "\x85", "\x1b[2K", "\ud800", "\u202e", "\0"])
def test_a_value_cannot_forge_a_second_line(log_format, end):
    pipe = written(log_format)
    log.error("failed", site=f"a{end}b", error=f"c{end}d", worker=f"e{end}f")
    text = pipe.getvalue()
    assert len(text.splitlines()) == 1
    assert end not in text.removesuffix("\n")


def test_on_a_terminal_the_log_is_for_people_and_elsewhere_for_machines():
    terminal, pipe = written("auto", is_terminal=True), written("auto")
    log.info("drained")
    configure("auto", terminal)
    log.info("moved", **{"site": "acme.example.com", "from": "trial", "to": "expired", "command": "site.expire"})
    assert json.loads(pipe.getvalue())["msg"] == "drained"
    assert "trial → expired" in terminal.getvalue()
    assert "\x1b[" in terminal.getvalue()


def test_the_console_shows_word_site_and_move_in_columns_without_colour_in_a_pipe():
    pipe = written("console")
    log.info("moved", **{"site": "acme.example.com", "from": "trial", "to": "expired", "command": "site.expire"})
    told = f"command=site.expire worker=tenure.{os.getpid()}"
    assert pipe.getvalue()[20:] == f"info   moved      acme.example.com              trial → expired  {told}\n"


def test_a_traceback_is_plain_and_shows_no_local_variables():
    pipe = written("json")
    secret = "geheim"
    try:
        {0: 0}[len(secret)]
    except KeyError:
        log.exception("failed", site="x")
    line = json.loads(pipe.getvalue())
    assert (line["level"], line["error"].splitlines()[0]) == ("error", "KeyError: 6")
    assert "Traceback" in line["error"]
    assert "= 'geheim'" not in line["error"]


def test_what_libraries_warn_of_becomes_an_alarm_and_what_they_chat_is_dropped():
    pipe = written("json")
    logging.getLogger("transitions.core").info("chat")
    logging.getLogger("apscheduler.scheduler").warning("late by %s", 3)
    line = json.loads(pipe.getvalue())
    assert (line["level"], line["msg"], line["error"]) == ("warning", "alarm", "apscheduler.scheduler: late by 3")


def test_the_arguments_of_a_message_are_not_logged():
    class Message:
        actor_name, message_id, args = "command", "m1", ["geheim"]

    pipe = written("json")
    logging.getLogger("dramatiq.worker").error("Failed to process message %s with unhandled exception.", Message())
    assert "message command m1 with" in pipe.getvalue()


def test_a_lost_connection_is_said_once_and_not_by_every_thread():
    pipe = written("json")
    for thread in range(8):
        logging.getLogger(f"dramatiq.worker.{thread}").critical("Consumer encountered a connection error: %s", "x")
    assert len(pipe.getvalue().splitlines()) == 1


def test_a_log_that_nobody_reads_any_more_does_not_stop_the_work():
    pipe = written("json")
    pipe.close()
    log.info("moved")


def test_threads_that_log_at_once_through_dramatiqs_pipe_do_not_mix_their_pieces():
    reader, writer = multiprocessing.Pipe(duplex=False)
    out, number = logs.Lines(StreamablePipe(writer)), 50
    texts = [chr(ord("a") + one) * 20_000 for one in range(4)]

    def write(text):
        for _ in range(number):
            out.msg(text)

    threads = [threading.Thread(target=write, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    found = Counter(reader.recv_bytes().decode() for _ in range(number * len(texts)) if reader.poll(10))
    for thread in threads:
        thread.join()
    reader.close()
    writer.close()
    assert found == {text + "\n": number for text in texts}


@pytest.mark.parametrize("log_format", ["json", "logfmt", "console"])
def test_every_line_names_the_process_that_wrote_it(log_format):
    pipe = Pipe()
    logs.configure(log_format, pipe, role="clock")
    log.info("fired", site="acme.example.com")
    log.warning("restarted", worker="valkey")
    first, second = pipe.getvalue().splitlines()
    assert f"clock.{os.getpid()}" in first
    assert "valkey" in second


def test_lines_are_handed_on_whole_in_pieces_that_a_pipe_takes_in_one():
    long, short = "x" * 5000 + "\n", "é" * 1000 + "\n"
    pieces = list(logs._pieces(short * 3 + long + short))
    assert "".join(pieces) == short * 3 + long + short
    assert [len(piece.encode()) for piece in pieces] == [2001 * 2, 2001, 5001, 2001]
    assert all(piece.endswith("\n") for piece in pieces)
