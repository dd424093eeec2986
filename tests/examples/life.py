"""A producer in plain Python without packages: HSET + RPUSH over a socket, answers from tenure:events.

python3 life.py <redis url> <hostname> <type> [field=value ...]   prints the answer's data as JSON
"""

import json
import socket
import sys
import time
import uuid
from urllib.parse import unquote, urlsplit


class Wire:
    """The Redis protocol, as much of it as a producer needs."""

    def __init__(self, url):
        parts = urlsplit(url)
        self.file = socket.create_connection((parts.hostname, parts.port)).makefile("rwb")
        if parts.password:
            self.call("AUTH", unquote(parts.password))

    def call(self, *words):
        self.file.write(b"*%d\r\n" % len(words))
        for word in words:
            text = str(word).encode()
            self.file.write(b"$%d\r\n%s\r\n" % (len(text), text))
        self.file.flush()
        return self.reply()

    def reply(self):
        line = self.file.readline()[:-2]
        kind, head = line[:1], line[1:].decode()
        if kind == b"-":
            raise RuntimeError(head)
        if kind == b"$":
            return None if head == "-1" else self.file.read(int(head) + 2)[:-2].decode()
        if kind == b"*":
            return None if head == "-1" else [self.reply() for _ in range(int(head))]
        return head


def main(url, host, kind, *fields):
    wire = Wire(url)
    last = wire.call("XREVRANGE", "tenure:events", "+", "-", "COUNT", 1)
    start, command_id, key = last[0][0] if last else "0", str(uuid.uuid4()), str(uuid.uuid4())
    data = {name: int(value) if value.isdigit() else value for name, value in (field.split("=") for field in fields)}
    envelope = {"specversion": "1.0", "source": "python-shop", "id": command_id, "type": f"site.{kind}"}
    message = {
        "queue_name": "lifecycle",
        "actor_name": "command",
        "args": [{**envelope, "subject": host, "data": data}],
        "kwargs": {},
        "options": {"redis_message_id": key},
        "message_id": str(uuid.uuid4()),
        "message_timestamp": int(time.time() * 1000),
    }
    wire.call("MULTI")
    wire.call("HSET", "dramatiq:lifecycle.msgs", key, json.dumps(message))
    wire.call("RPUSH", "dramatiq:lifecycle", key)
    wire.call("EXEC")
    while True:
        for _, entries in wire.call("XREAD", "BLOCK", 1000, "STREAMS", "tenure:events", start) or []:
            for start, (_, body) in entries:  # noqa: B007 - the next read begins after the last one seen
                event = json.loads(body)
                if event["type"] == "command.answered" and event["causationid"] == command_id:
                    return event["data"]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])))
