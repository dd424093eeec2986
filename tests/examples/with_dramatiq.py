"""Send a command and wait for its answer, with the package `dramatiq` alone (and the `redis` that its broker needs).

python with_dramatiq.py <redis url> <hostname> <type> [field=value ...]   prints the answer's data as JSON
"""

import json
import sys
import uuid
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker

url, host, kind, *fields = sys.argv[1:]
broker = RedisBroker(url=url)
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
broker.enqueue(dramatiq.Message("lifecycle", "command", args=(envelope,), kwargs={}, options={}))

answers: Any = broker.client.xread({envelope["replyto"]: "0"}, block=30_000)
if not answers:
    sys.exit("no answer in 30 s: send the same envelope again")
_, entries = answers[0]
print(json.dumps(json.loads(entries[0][1][b"event"])["data"]))
