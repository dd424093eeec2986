"""A command in one piece is byte for byte what redis-py would have sent in many."""

import pytest
from redis.connection import Connection
from redis.exceptions import DataError

from workers.queue.wire import OnePiece

COMMANDS = [
    ("PING",),
    ("CONFIG GET", "maxmemory"),
    (b"CLIENT SETINFO", "LIB-NAME", "x"),
    ("EVALSHA", "a" * 40, 1, "key", b"\x00\xff\r\n", "ünïcode", "", 3, 1.5, float("inf"), -7),
    ("SET", "large", "x" * 100_000, bytearray(b"y" * 7_000), memoryview(b"z" * 7_000)),
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: str(words[0]))
def test_one_piece_is_what_many_pieces_say(words):
    (piece,) = OnePiece().pack(*words)
    assert piece == b"".join(Connection().pack_command(*words))


@pytest.mark.parametrize("bad", [True, None, {"a": 1}, ["a"]], ids=repr)
def test_what_has_no_form_on_the_wire_is_refused_as_the_library_does(bad):
    for packer in (OnePiece().pack, Connection().pack_command):
        with pytest.raises(DataError):
            packer("SET", "key", bad)
