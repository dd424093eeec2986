"""The canary: after a deletion nothing of the engine holds the address, byte by byte, with the real processes."""

from pathlib import Path

from tests.live_engine import HOST, until

WORD = "canary-5d20"
ADDRESS = f"{WORD}@birds.example"


def holding(live):
    """The files of the engine that hold the address, its logs and its answers included."""
    files = [path for path in live.data_dir.rglob("*") if path.is_file() and "outbox" not in path.parts]
    return [str(path) for path in (*files, live.err, live.out) if WORD.encode() in _bytes(path).lower()]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:  # Valkey has just put a new file in its place
        return b""


def test_after_a_deletion_no_file_of_the_engine_holds_the_address(live):
    live.start()
    live.send("start_trial", "account=acme", f"email={ADDRESS}")
    live.send("update_contact", f"email={ADDRESS}.second")
    assert live.send("update_contact", f"email=<{ADDRESS}>")["outcome"] == "refused"
    assert live.send("cancel", f"reason=write to {ADDRESS}", f"bogus={ADDRESS}")["outcome"] == "refused"
    live.send("cancel", f"reason=write to {ADDRESS}")
    assert any("appendonly" in path for path in holding(live))

    live.advance("14d")

    assert live.show(HOST)["state"] == "deleted"
    until(lambda: not holding(live), 5)
