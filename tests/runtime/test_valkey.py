import shutil
import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from workers.queue import clients
from workers.supervisor import embedded_valkey

NO_ENTRY = redis.AuthenticationError


def test_what_was_acknowledged_survives_a_kill_and_the_address_stays(server, tmp_path):
    url, process = server(tmp_path)
    with clients.for_queues(url) as client:
        client.set("command", "not answered yet")
    process.kill()
    process.wait()
    again, _ = server(tmp_path)
    assert again == url
    with clients.for_queues(again) as client:
        assert client.get("command") == b"not answered yet"


def test_a_server_that_a_crashed_run_left_is_shut_down(server, tmp_path):
    url, process = server(tmp_path)
    reaper = threading.Thread(target=process.wait)
    reaper.start()
    again, _ = server(tmp_path)
    reaper.join(10)
    assert process.returncode == 0
    assert again == url


def test_the_server_of_a_copied_folder_is_left_alone(server, tmp_path):
    url, process = server(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    copy, _ = server(tmp_path / "b")
    assert copy != url
    assert process.poll() is None


def test_a_port_that_somebody_else_took_is_replaced(server, tmp_path):
    url, process = server(tmp_path)
    process.kill()
    process.wait()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((embedded_valkey.HOST, urlsplit(url).port))
        other.listen()
        again, _ = server(tmp_path)
    assert again != url
    assert urlsplit(again).password == urlsplit(url).password


def test_it_keeps_every_write_throws_nothing_away_and_lets_nobody_else_in(server, tmp_path):
    url, process = server(tmp_path)
    with clients.for_queues(url) as client:
        wanted = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "bind": "127.0.0.1"}
        assert client.config_get(*wanted) == wanted
    with (
        clients.for_queues(f"redis://{urlsplit(url).hostname}:{urlsplit(url).port}") as stranger,
        pytest.raises(NO_ENTRY),
    ):
        stranger.ping()
    assert (tmp_path / "valkey").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "valkey" / "url").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "valkey" / "valkey.conf").stat().st_mode & 0o777 == 0o600
    assert urlsplit(url).password not in Path(f"/proc/{process.pid}/cmdline").read_text()


def test_a_folder_with_spaces_and_quotes_is_no_trouble(server, tmp_path):
    url, _ = server(tmp_path / 'my "data" folder')
    assert embedded_valkey.answers(url)
