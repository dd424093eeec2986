"""Send a command and wait for its answer, with the package `redis` alone.

python with_redis.py <redis url> <hostname> <type> [field=value ...]   prints the answer's data as JSON
"""

import json
import sys
import time
import uuid
from typing import Any

import redis

url, host, kind, *fields = sys.argv[1:]
bus = redis.Redis.from_url(url, decode_responses=True)
pairs = (field.split("=") for field in fields)
envelope = {
    "specversion": "1.0",
    "source": "my-shop",
    "id": str(uuid.uuid4()),  # keep it: asked again with the same id, the answer is the same
    "type": f"site.{kind}",
    "subject": host,
    "data": {name: int(value) if value.isdigit() else value for name, value in pairs},
    "replyto": f"tenure:reply:{uuid.uuid4()}",
}
key = str(uuid.uuid4())
message = {
    "queue_name": "lifecycle",
    "actor_name": "command",
    "args": [envelope],
    "kwargs": {},
    "options": {"redis_message_id": key},
    "message_id": str(uuid.uuid4()),
    "message_timestamp": int(time.time() * 1000),
}
with bus.pipeline(transaction=True) as together:
    together.hset("dramatiq:lifecycle.msgs", key, json.dumps(message))
    together.rpush("dramatiq:lifecycle", key)
    together.execute()

answers: Any = bus.xread({envelope["replyto"]: "0"}, block=30_000)
if not answers:
    sys.exit("no answer in 30 s: send the same envelope again")
_, entries = answers[0]
print(json.dumps(json.loads(entries[0][1]["event"])["data"]))
