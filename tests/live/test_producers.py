"""Another system with a key and a user of its own, against a real `tenure up`."""

import base64
import json

import redis

from models.clock import machine_now
from models.timestamps import stamp
from tests.live_engine import HOST, until
from workers.producers.signature import sign
from workers.queue import new_message
from workers.queue.queue_names import COMMAND_ACTOR, COMMANDS

REPLIES = "tenure:reply:billing:1"


def ask(made, key, kind, **data):
    """What the other system does, with nothing but what `producer add` has printed."""
    body = {"specversion": "1.0", "source": "/billing", "id": key, "type": kind, "subject": HOST, "data": data}
    text = json.dumps({**body, "time": stamp(machine_now()), "replyto": REPLIES})
    args = [text, sign(base64.b64decode(made["key"]["secret"]), made["key"]["id"], text)]
    with redis.Redis.from_url(made["redis_url"]) as client:
        new_message.enqueue(client, COMMANDS, new_message.build(COMMANDS, COMMAND_ACTOR, args, machine_now()))
        ((_, ((_, fields),)),) = until(lambda: client.xread({REPLIES: "0"}, block=100))
        client.delete(REPLIES)
    return json.loads(fields[b"event"])["data"]


def test_a_producer_asks_with_what_was_printed_before_and_after_a_restart(live):
    live.start()
    made = live.json("producer", "add", "billing")
    assert ask(made, "1", "site.start_trial", account="acme", email="o@acme.example.com")["outcome"] == "applied"
    shown = live.run("send", "show", HOST, "--wait")
    assert HOST in shown
    live.stop()
    live.start()
    assert ask(made, "1", "site.start_trial", account="acme", email="o@acme.example.com")["duplicate"]
    live.run("producer", "remove", "billing")
    with redis.Redis.from_url(made["redis_url"]) as client:
        until(lambda: refuses(client))
    secrets = made["key"]["secret"], made["redis_url"].split(":")[2].split("@")[0]
    assert not [secret for secret in secrets if secret in live.err.read_text()]


def refuses(client):
    try:
        return not client.ping()
    except redis.AuthenticationError:
        return True
