"""A double of Stripe in a process of its own: its documented rules for PaymentIntents, and faults by script.

    python -m tests.adapters.stripe_double FOLDER      writes FOLDER/port

Each secret sk_test_double… is an account of its own, with a folder of that name: `charged` has a line for each charge.

Rules: a key answers what its first request was answered, 402 and 500 too; other parameters under it are an error;
nothing is kept for validation errors, 409 and 429. Faults: `faults`, a JSON list; each entry is used up by one charge.
`409`, `429`, `500` (nothing done, replayed), `charged_500` (done, and 500 is replayed), `lost` (done, no reply),
`processing`, `action`. `lag` says how many of the newest intents lists leave out.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

DECLINES = (
    ("pm_declined_new_card", "expired_card"),
    ("pm_declined_customer", "authentication_required"),
    ("pm_declined_never", "stolen_card"),
    ("pm_declined", "insufficient_funds"),
)


class World:
    """What this Stripe knows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = Lock()
        self.intents: list[dict[str, Any]] = []
        self.kept: dict[str, tuple[str, int, Any]] = {}

    def fault(self) -> Any:
        path = self.folder / "faults"
        left = json.loads(path.read_text()) if path.exists() else []
        if left:
            path.write_text(json.dumps(left[1:]))
        return left[0] if left else None

    def lag(self) -> int:
        path = self.folder / "lag"
        return int(path.read_text()) if path.exists() else 0


class Handler(BaseHTTPRequestHandler):
    """One request."""

    folder: Path
    worlds: dict[str, World]
    opening: Lock
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if self.refuses_key():
            return
        if path.startswith("/v1/payment_methods/"):
            method = path.rsplit("/", 1)[1]
            if method == "pm_gone":
                self.say(404, error("invalid_request_error", code="resource_missing"))
            else:
                is_nobodys = method == "pm_nobody" or (self.world.folder / "detached").exists()
                customer = None if is_nobodys else "cus_1"
                self.say(200, {"id": method, "object": "payment_method", "customer": customer})
            return
        with self.world.lock:
            found = self.world.intents[: len(self.world.intents) - self.world.lag()]
        customer = query.get("customer", [None])[0]
        since = int(query.get("created[gte]", ["0"])[0])
        found = [one for one in found if one["created"] >= since and customer in {None, one["customer"]}][::-1]
        after = query.get("starting_after", [None])[0]
        if after is not None:
            found = found[[one["id"] for one in found].index(after) + 1 :]
        limit = int(query.get("limit", ["10"])[0])
        page = {"object": "list", "url": "/v1/payment_intents", "has_more": len(found) > limit, "data": found[:limit]}
        self.say(200, page)

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.refuses_key():
            return
        key = self.headers["Idempotency-Key"]
        with self.world.lock:
            fault = self.world.fault()
            if fault in {409, 429}:
                self.say(fault, error("idempotency_error" if fault == 409 else "rate_limit_error"))
                return
            known = self.world.kept.get(key)
            if known is None:
                status, body = self.create({name: values[0] for name, values in parse_qs(raw).items()}, fault)
                if status != 400:
                    self.world.kept[key] = (raw, status, body)
            elif known[0] != raw:
                status, body = 400, error("idempotency_error")
            else:
                status, body = known[1:]
        if fault == "lost":
            self.close_connection = True
            return
        self.say(status, body)

    def create(self, asked: dict[str, str], fault: Any) -> tuple[int, Any]:
        if fault == 500:
            return 500, error("api_error")
        method = asked["payment_method"]
        code = next((code for begin, code in DECLINES if method.startswith(begin)), None)
        card = {"brand": "visa", "last4": method[-4:] if method[-4:].isdigit() else "4242"}
        intent: dict[str, Any] = {
            "id": f"pi_{len(self.world.intents) + 1}",
            "object": "payment_intent",
            "amount": int(asked["amount"]),
            "currency": asked["currency"],
            "customer": asked["customer"],
            "created": int(time.time()),
            "metadata": {name[9:-1]: value for name, value in asked.items() if name.startswith("metadata[")},
            "status": {"processing": "processing", "action": "requires_action"}.get(fault, "succeeded"),
            "latest_charge": {"id": "ch_1", "object": "charge", "payment_method_details": {"card": card}},
            "last_payment_error": None,
        }
        self.world.intents.append(intent)
        if code is not None:
            method_body = {"id": method, "object": "payment_method", "card": card}
            refused = {
                "type": "card_error",
                "code": "card_declined",
                "decline_code": code,
                "payment_method": method_body,
            }
            intent |= {"status": "requires_payment_method", "last_payment_error": refused, "latest_charge": None}
            return 402, {"error": {**refused, "message": "Your card was declined.", "payment_intent": dict(intent)}}
        if intent["status"] == "succeeded":
            with (self.world.folder / "charged").open("a") as file:
                file.write(f"{intent['metadata']['tenure_key']}\n")
        return (500, error("api_error")) if fault == "charged_500" else (200, intent)

    def refuses_key(self) -> bool:
        secret = (self.headers["Authorization"] or "").removeprefix("Bearer ")
        if secret.startswith("sk_test_double"):
            with self.opening:
                (self.folder / secret).mkdir(exist_ok=True)
                self.world = self.worlds.setdefault(secret, World(self.folder / secret))
            return False
        self.say(401, error("invalid_request_error"))
        return True

    def say(self, status: int, body: Any) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        """Nothing: it is a test."""


def error(kind: str, **more: Any) -> dict[str, Any]:
    """Stripe's form of an error."""
    return {"error": {"type": kind, "message": f"a scripted {kind}", **more}}


def main() -> None:
    """Serve until it is killed."""
    folder = Path(sys.argv[1])
    Handler.folder, Handler.worlds, Handler.opening = folder, {}, Lock()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    (folder / "port.part").write_text(str(server.server_address[1]))
    (folder / "port.part").rename(folder / "port")
    server.serve_forever()


if __name__ == "__main__":
    main()
