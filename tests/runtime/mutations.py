"""A seeded stream of messages as no sane producer writes them, with good neighbours between them."""

import json
import random
from copy import deepcopy
from dataclasses import dataclass
from itertools import count
from typing import Any

QUEUES = ("lifecycle", "lifecycle.DQ", "effects", "data", "deletions")
KINDS = ("start_trial", "subscribe", "cancel", "update_contact", "export", "show", "hold", "waive", "restore", "pay")
FIELDS = ("specversion", "source", "id", "type", "subject", "data", "dryrun", "review", "expectedversion", "replyto")
DATA = {
    "account": "acme",
    "email": "x@mutant.example",
    "agents": 7,
    "payment_method": "pm_visa",
    "from": "7_day",
    "guard": "export",
    "reason": "because",
}
ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 1 << 31, 1 << 53, 1 << 63, 10**30, 10**400, 1e308, float("nan"), float("inf"), -0.0),
    *("", " ", "\0", "\x1b[2J", "\n", "\u2028", "\ud800", "\udfff\ud800", "𝕬", "é" * 300, "a" * 70_000, "../../etc"),
    *("site.explode", "site.delete", "site.provisioned", "tenure:clock", "tenure:reply:x", "tenure:events", "{}", "%s"),
    *([], [[]], {}, {"": None}, {"a": {"b": [1, {}]}}, [1] * 5_000, {"id": "x"}, {str(n): n for n in range(500)}),
)


@dataclass(frozen=True)
class Push:
    """What is pushed into Redis: a body without an entry has no `listed`, an entry without a body no `body`."""

    queue: str
    redis_id: str
    body: bytes | None
    listed: bool
    good: str | None = None


class Mutations:
    """Endless; the same seed gives the same bytes."""

    def __init__(self, seed: int, host: str, good_share: float = 0.05) -> None:
        self.random = random.Random(seed)
        self.host = host
        self.good_share = good_share
        self.numbers = count(1)

    def __next__(self) -> Push:
        number = next(self.numbers)
        if self.random.random() < self.good_share:
            return self._good(number)
        queue = self.random.choices(QUEUES, (60, 4, 16, 10, 10))[0]
        redis_id = self.random.choices((f"r{number}", f"\x00é{number}"), (99, 1))[0]
        return self._at_a_place(queue, redis_id, self._body(queue, redis_id, number))

    def _good(self, number: int) -> Push:
        redis_id, key = f"g{number}", f"good-{number}"
        kind = self.random.choices(("site.show", "site.update_contact"), (9, 1))[0]
        data = {} if kind == "site.show" else {"email": f"owner{number}@acme.example"}
        body = {"specversion": "1.0", "source": "good", "id": key, "type": kind, "subject": self.host, "data": data}
        message = self._message("lifecycle", redis_id, [body])
        return Push("lifecycle", redis_id, json.dumps(message).encode(), listed=True, good=key)

    def _at_a_place(self, queue: str, redis_id: str, body: bytes) -> Push:
        """Nearly always both; sometimes an entry without a body, or a body that nobody will ever find."""
        where = self.random.random()
        if where < 0.02:
            return Push(queue, redis_id, None, listed=True)
        return Push(queue, redis_id, body, listed=where > 0.022)

    def _message(self, queue: str, redis_id: str, args: list[Any]) -> dict[str, Any]:
        actor = "command" if queue.startswith("lifecycle") else queue
        options: dict[str, Any] = {"redis_message_id": redis_id}
        if queue.endswith(".DQ"):
            options["eta"] = self.random.choice((0, 1, 1_700_000_000_000))
        own = {"queue_name": queue, "actor_name": actor, "args": args, "kwargs": {}, "options": options}
        return {**own, "message_id": f"m-{redis_id}", "message_timestamp": 0}

    def _body(self, queue: str, redis_id: str, number: int) -> bytes:
        kind = self.random.choices(
            (self._envelope_mutated, self._message_mutated, self._signed, self._bytes_mutated, self._deep, self._huge),
            (60, 25, 5, 7, 2, 0.1),
        )[0]
        return kind(queue, redis_id, number)

    def _envelope(self, queue: str, number: int) -> Any:
        """The one argument: an envelope, or an effect's id on the other queues."""
        if not queue.startswith("lifecycle") and self.random.random() < 0.5:
            return f"site_{number:x}:0:export:{number}"
        return {
            "specversion": "1.0",
            "source": "mutant",
            "id": f"mutant-{self.random.choices((number, 1), (95, 5))[0]}",
            "type": f"site.{self.random.choice(KINDS)}",
            "subject": self.random.choice((f"s{number}.mutant.example", "unknown.mutant.example")),
            "data": self._data(),
        }

    def _data(self) -> dict[str, Any]:
        names = self.random.sample(sorted(DATA), self.random.randint(0, 3))
        return {name: DATA[name] for name in names}

    def _envelope_mutated(self, queue: str, redis_id: str, number: int) -> bytes:
        body = self._envelope(queue, number)
        if isinstance(body, dict):
            for _ in range(self.random.randint(0, 2)):
                self._spoil(body, (*FIELDS, "time", "correlationid", "traceparent", "surprise"))
            if isinstance(body.get("data"), dict) and self.random.random() < 0.4:
                self._spoil(body["data"], (*DATA, "surprise", "days", "when", "\0", "\ud800"))
        return self._written(self._message(queue, redis_id, [body]))

    def _spoil(self, whole: dict[str, Any], names: tuple[str, ...]) -> None:
        name = self.random.choice(names)
        if self.random.random() < 0.2:
            whole.pop(name, None)
        else:
            whole[name] = self._odd()

    def _odd(self) -> Any:
        """A copy: what is spoiled again is not the list itself."""
        return deepcopy(self.random.choice(ODD))

    def _message_mutated(self, queue: str, redis_id: str, number: int) -> bytes:
        message = self._message(queue, redis_id, [self._envelope(queue, number)])
        names = ("queue_name", "actor_name", "args", "kwargs", "options", "message_id", "message_timestamp", "surprise")
        self._spoil(message, names)
        other = self.random.random()
        if other < 0.1:
            message["args"] = self.random.choice(([], [1, 2], [None], [[]], ["x", "v1,k,AAAA"], [{}] * 3))
        elif other < 0.2:
            message["queue_name"] = self.random.choice(QUEUES)
        elif other < 0.3 and isinstance(message.get("options"), dict):
            name = self.random.choice(("redis_message_id", "eta", "retries", "max_retries", "throws", "pipe_target"))
            message["options"][name] = self._odd()
        elif other < 0.35:
            message["args"], message["kwargs"] = [], {self.random.choice(("args", "effect_id", "self")): "x"}
        return self._written(message)

    def _signed(self, queue: str, redis_id: str, number: int) -> bytes:
        text = json.dumps(self._envelope(queue, number))
        cut = self.random.choice((text, text[: len(text) // 2], "[" * 3000, "1" * 5000, '{"id": NaN}', ""))
        return self._written(self._message(queue, redis_id, [cut, self.random.choice(("v1,k,AAAA", 7, None))]))

    def _bytes_mutated(self, queue: str, redis_id: str, number: int) -> bytes:
        raw = bytearray(self._written(self._message(queue, redis_id, [self._envelope(queue, number)])))
        at = self.random.randrange(len(raw))
        how = self.random.randrange(5)
        if how == 0:
            raw[at] ^= 1 << self.random.randrange(8)
        elif how == 1:
            del raw[at:]
        elif how == 2:
            raw[at:at] = self.random.randbytes(self.random.randint(1, 20))
        elif how == 3:
            return raw.decode().encode("utf-16")
        else:
            return bytes(raw[at:] + raw[:at])
        return bytes(raw)

    def _deep(self, queue: str, redis_id: str, _number: int) -> bytes:
        """Nested around the depths at which a reader or a writer of JSON gives up."""
        depth = self.random.choice((50, 300, 480, 900, 950, 980, 1000, 5000, 100_000))
        opened, closed = self.random.choice((("[", "]"), ('{"a":', "}")))
        deep = opened * depth + "1" + closed * depth
        hole = self.random.choice(("args", "data", "subject", "source", "kwargs", "signed"))
        envelope = {"specversion": "1.0", "source": "mutant", "id": redis_id, "type": "site.pay", "subject": "a.b.cd"}
        message = self._message(queue, redis_id, [envelope])
        if hole in {"args", "kwargs"}:
            message[hole] = "@"
        elif hole == "signed":
            message["args"] = [deep, "v1,k,AAAA"]
        else:
            envelope[hole] = "@"
        return self._written(message).replace(b'"@"', deep.encode())

    def _huge(self, queue: str, redis_id: str, number: int) -> bytes:
        """Around the limits: of an envelope, of a dead letter, of a message."""
        size = self.random.choice((60_000, 66_000, 70_000, (1 << 20) - 400, (1 << 20) + 1, 3 << 20))
        body = self._envelope("lifecycle", number)
        body["data"] = {"reason": "x" * size}
        return self._written(self._message(queue, redis_id, [body]))

    def _written(self, message: Any) -> bytes:
        """As JSON: with escapes or without, with keys twice, with numbers that no float holds."""
        how = self.random.random()
        raw = json.dumps(message, ensure_ascii=how < 0.7).encode("utf-8", "surrogatepass")
        if how > 0.97:
            return raw.replace(b'"kwargs"', b'"args": [1], "kwargs"', 1)
        if how > 0.95:
            return raw.replace(b": 0", b": 1e400", 1)
        return raw
