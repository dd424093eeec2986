"""Envelopes that nobody should send, and messages that carry them as a producer writes them."""

import json

from workers.queue import message

HOST = "acme.example.com"
HARMFUL = {
    "NUL": "a\0b",
    "escape": "a\x1b[31mb",
    "window title": "a\x1b]0;owned\x07b",
    "line break": "a\nb",
    "C1 control": "a\x9bb",
    "override": "a\u202eb",
    "isolate": "a\u2066b",
    "zero width": "a\u200bb",
    "soft hyphen": "a\u00adb",
    "tag": "a\U000e0041b",
    "line separator": "a\u2028b",
    "half a character": "a\ud800b",
    "private use": "a\ue000b",
}


def envelope(**changes):
    whole = {
        "specversion": "1.0",
        "source": "shop",
        "id": "order-1",
        "type": "site.start_trial",
        "subject": HOST,
        "data": {"account": "acme", "email": "owner@acme.example"},
    }
    return {**whole, **changes}


class Actor:
    queue_name = "lifecycle"

    @staticmethod
    def fn(*args):
        """Take whatever it is given."""


def written(text):
    """The arguments of a message whose envelope is this JSON text."""
    raw = (
        '{"queue_name":"lifecycle","actor_name":"command","args":[' + text + '],"kwargs":{},'
        '"options":{"redis_message_id":"1"},"message_id":"2","message_timestamp":1}'
    )
    return message.read(raw.encode(), b"1", "lifecycle", {"command": Actor})["args"]


def twice(text, name, value):
    """The JSON text of an envelope with one member more, in front: last of two wins where nobody looks."""
    return text.replace("{", "{" + f"{json.dumps(name)}: {json.dumps(value)}, ", 1)
