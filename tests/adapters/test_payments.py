import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.adapters.stripe_account import StripeDouble, stripe_double  # noqa: F401 - a fixture
from workers.adapters.payment import Charge, ChargeOutcome, Payments, open_payments
from workers.adapters.payments import keyed_log
from workers.base.errors import Permanent, Temporary, Unknown
from workers.storage import file_lock

AT = datetime(2026, 1, 25, 9, 30, tzinfo=UTC)
CHARGE = Charge("site_1:renewal:2026-01-25:1", "site_1", "inv_1", 18_000, "USD", "pm_visa_4242", AT)
STEPS = frozenset({"open", "flock", "write", "fsync", "ftruncate", "mkdir", "close", "seek", "readline", "loads"})


@dataclass(frozen=True)
class Kind:
    """A card network under test: its URL, and the keys that it took money for, by its own books."""

    url: str
    charged: Callable[[Path], list[str]]
    key_file: Path | None = None

    def open(self, folder: Path) -> Payments:
        return open_payments(self.url, folder, self.key_file)


def lines(folder: Path, name: str = "payments.jsonl") -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def booked(folder: Path) -> list[str]:
    return [str(line["key"]) for line in lines(folder)]


@pytest.fixture(params=["ledger:", "stripe:"])
def kind(request: pytest.FixtureRequest) -> Kind | StripeDouble:
    return Kind("ledger:", booked) if request.param == "ledger:" else request.getfixturevalue("stripe_double")


class DieBefore:
    """A profile function that kills its own process with -9 before the n-th step towards the disk."""

    def __init__(self, step: int) -> None:
        self.left = step

    def __call__(self, _frame: object, event: str, called: object) -> None:
        if event == "c_call" and getattr(called, "__name__", "") in STEPS:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def start(act: Callable[[], object], profile: DieBefore | None = None) -> int:
    """Fork a child that acts; it ends with 0, with 1 after an exception, or killed."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            sys.setprofile(profile)
            act()
            code = 0
        finally:
            os._exit(code)
    return child


def end_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class LosesReplies:
    """A card network whose replies get lost on the way back."""

    def __init__(self, real: Payments) -> None:
        self.real = real

    def charge(self, charge: Charge) -> ChargeOutcome:
        self.real.charge(charge)
        raise Unknown("no reply")


class TestEveryCardNetwork:
    def test_knows_a_key_after_the_charge_and_not_before(self, kind: Kind, tmp_path: Path):
        network = kind.open(tmp_path)
        assert network.lookup(CHARGE) is None
        outcome = network.charge(CHARGE)
        assert outcome.status == "succeeded"
        assert network.lookup(CHARGE) == kind.open(tmp_path).lookup(CHARGE) == outcome

    def test_asked_twice_charges_once_and_answers_the_same(self, kind: Kind, tmp_path: Path):
        network = kind.open(tmp_path)
        first = network.charge(CHARGE)
        again = replace(CHARGE, at=AT.replace(hour=11), payment_method="pm_another")
        assert network.charge(CHARGE) == network.charge(again) == kind.open(tmp_path).charge(CHARGE) == first
        assert kind.charged(tmp_path) == [CHARGE.key]

    def test_charges_two_keys_twice(self, kind: Kind, tmp_path: Path):
        network = kind.open(tmp_path)
        other = replace(CHARGE, key="another")
        assert network.charge(CHARGE).reference != network.charge(other).reference
        assert kind.charged(tmp_path) == [CHARGE.key, "another"]

    @pytest.mark.parametrize("card", ["pm_visa_4242", "pm_declined"])
    @pytest.mark.parametrize(
        "other", [{"amount_cents": 1}, {"invoice_id": "inv_2"}, {"site_id": "site_2"}, {"currency": "EUR"}], ids=str
    )
    def test_refuses_a_key_that_stands_for_another_charge(self, kind, tmp_path, card, other):
        network = kind.open(tmp_path)
        first = network.charge(replace(CHARGE, payment_method=card))
        with pytest.raises(Permanent, match=r"another charge needs another key"):
            network.charge(replace(CHARGE, **other))
        assert network.lookup(CHARGE) == first

    def test_never_charges_a_key_that_was_declined_not_even_with_another_card(self, kind: Kind, tmp_path: Path):
        network = kind.open(tmp_path)
        declined = network.charge(replace(CHARGE, payment_method="pm_declined"))
        assert (declined.status, declined.retry) == ("declined", "later")
        assert network.charge(CHARGE) == network.lookup(CHARGE) == declined
        assert kind.charged(tmp_path) == []

    @pytest.mark.parametrize("amount", [0, -1])
    def test_charges_positive_amounts_only(self, kind: Kind, tmp_path: Path, amount: int):
        network = kind.open(tmp_path)
        with pytest.raises(Permanent, match="positive"):
            network.charge(replace(CHARGE, amount_cents=amount))
        assert network.lookup(CHARGE) is None

    def test_tells_after_a_lost_reply_what_was_done(self, kind: Kind, tmp_path: Path):
        network = kind.open(tmp_path)
        with pytest.raises(Unknown):
            LosesReplies(network).charge(CHARGE)
        outcome = network.lookup(CHARGE)
        assert outcome is not None
        assert network.charge(CHARGE) == outcome
        assert kind.charged(tmp_path) == [CHARGE.key]

    @pytest.mark.parametrize("card", ["pm_visa_4242", "pm_declined"])
    def test_killed_before_any_step_it_decides_each_key_once(self, kind: Kind, tmp_path: Path, card: str):
        charge, step, end = replace(CHARGE, payment_method=card), 0, -signal.SIGKILL
        while end == -signal.SIGKILL:
            step, folder = step + 1, tmp_path / str(step)
            kind.open(folder).charge(replace(charge, key="earlier"))
            end = end_of(start(lambda: kind.open(folder).charge(charge), DieBefore(step)))  # noqa: B023 - ended here
            network = kind.open(folder)
            known = network.lookup(charge)
            outcome = network.charge(charge)
            assert known in {None, outcome}
            assert network.charge(replace(charge, payment_method="pm_visa")) == outcome
            assert kind.charged(folder) == (["earlier", charge.key] if card != "pm_declined" else [])
        assert end == 0
        assert step > 8

    def test_asked_by_several_processes_at_once_it_charges_each_key_once(self, kind: Kind, tmp_path: Path):
        keys = [f"key_{number}" for number in range(40)]
        children = [start(lambda: charge_all(kind.open(tmp_path), keys)) for _ in range(4)]
        assert [end_of(child) for child in children] == [0, 0, 0, 0]
        assert sorted(kind.charged(tmp_path)) == sorted(keys)

    def test_killed_in_a_hurry_it_keeps_what_it_answered(self, kind: Kind, tmp_path: Path):
        answers, told = os.pipe()
        child = start(lambda: charge_and_tell(kind.open(tmp_path), told))
        os.close(told)
        with os.fdopen(answers) as heard:
            first = [heard.readline().strip() for _ in range(25)]
            os.kill(child, signal.SIGKILL)
            answered = [*first, *(line.strip() for line in heard if line.endswith("\n"))]
        assert end_of(child) == -signal.SIGKILL
        network = kind.open(tmp_path)
        assert all(network.lookup(replace(CHARGE, key=key)) for key in answered)
        charge_all(network, answered)
        charged = kind.charged(tmp_path)
        assert len(charged) == len(set(charged)) <= len(answered) + 1

    def test_says_that_it_can_be_used_and_stays_empty(self, kind: Kind, tmp_path: Path):
        kind.open(tmp_path).writable()
        assert kind.charged(tmp_path) == []


def charge_all(network: Payments, keys: list[str]) -> None:
    for key in keys:
        network.charge(replace(CHARGE, key=key))


def charge_and_tell(network: Payments, told: int) -> None:
    for number in range(1_000_000):
        network.charge(replace(CHARGE, key=f"key_{number}"))
        os.write(told, f"key_{number}\n".encode())


class TestTheLedger:
    @pytest.fixture
    def ledger(self, tmp_path: Path) -> Payments:
        return open_payments("ledger:", tmp_path)

    def test_writes_the_contracts_line(self, ledger: Payments, tmp_path: Path):
        ledger.charge(CHARGE)
        line = lines(tmp_path)[0]
        expected = {"key": CHARGE.key, "site": "site_1", "invoice": "inv_1", "amount_cents": 18_000}
        assert line.items() >= {**expected, "at": "2026-01-25T09:30:00.000000Z"}.items()
        assert "pm_visa_4242" not in json.dumps(line)

    @pytest.mark.parametrize(
        ("card", "code", "retry"),
        [
            ("pm_declined", "insufficient_funds", "later"),
            ("pm_declined_7", "insufficient_funds", "later"),
            ("pm_declined_new_card", "expired_card", "new_card"),
            ("pm_declined_customer_2", "authentication_required", "customer"),
            ("pm_declined_never", "stolen_card", "never"),
            ("", "no_card", "new_card"),
        ],
    )
    def test_declines_the_declared_bad_cards_in_a_file_of_their_own(self, ledger, tmp_path, card, code, retry):
        outcome = ledger.charge(replace(CHARGE, payment_method=card))
        assert (outcome.status, outcome.decline_code, outcome.retry) == ("declined", code, retry)
        assert lines(tmp_path) == []
        assert lines(tmp_path, "payments-declined.jsonl")[0]["key"] == CHARGE.key

    @pytest.mark.parametrize(
        ("card", "label"),
        [
            ("pm_visa_4242", "Visa card ending in 4242"),
            ("pm_card_mastercard", "Mastercard card"),
            ("tok_1234", "card ending in 1234"),
            ("pm_x", "card"),
        ],
    )
    def test_names_a_card_as_far_as_it_can(self, ledger: Payments, card: str, label: str):
        assert ledger.charge(replace(CHARGE, payment_method=card)).card_label == label

    def test_torn_at_any_byte_it_books_the_charge_once_and_keeps_the_others(self, ledger: Payments, tmp_path: Path):
        ledger.charge(replace(CHARGE, key="earlier"))
        file = tmp_path / "payments.jsonl"
        before = file.read_bytes()
        outcome = ledger.charge(CHARGE)
        after = file.read_bytes()
        for cut in range(len(before), len(after)):
            file.write_bytes(after[:cut])
            fresh = open_payments("ledger:", tmp_path)
            assert fresh.lookup(CHARGE) in ({outcome} if cut == len(after) - 1 else {None})
            assert fresh.charge(CHARGE) == outcome
            assert file.read_bytes() == after

    def test_torn_while_it_was_looking_it_goes_on(self, ledger: Payments, tmp_path: Path):
        ledger.charge(CHARGE)
        with (tmp_path / "payments.jsonl").open("ab") as file:
            file.write(b'{"key": "half')
        assert ledger.charge(CHARGE).status == "succeeded"
        assert ledger.charge(replace(CHARGE, key="another")).status == "succeeded"
        assert booked(tmp_path) == [CHARGE.key, "another"]

    @pytest.mark.parametrize("damage", [b"\x00\x00\x00\n", b"\n", b'{"site": "no key"}\n', b"[]\n", b"\xff\xfe\n"])
    def test_a_damaged_line_stops_every_charge_until_it_is_mended(self, ledger, tmp_path, damage):
        ledger.charge(CHARGE)
        file = tmp_path / "payments.jsonl"
        whole = file.read_bytes()
        file.write_bytes(whole + damage)
        for _ in range(2):
            with pytest.raises(Temporary, match=rf"damaged at byte {len(whole)}: mend that line"):
                ledger.charge(replace(CHARGE, key="another"))
        file.write_bytes(whole)
        assert ledger.charge(replace(CHARGE, key="another")).status == "succeeded"

    def test_a_full_disk_books_nothing_and_leaves_nothing(self, ledger: Payments, tmp_path: Path):
        ledger.charge(replace(CHARGE, key="earlier"))
        file = tmp_path / "payments.jsonl"
        before = file.read_bytes()
        with no_file_longer_than(len(before) + 30), pytest.raises(Temporary, match="make room"):
            ledger.charge(CHARGE)
        assert file.read_bytes() == before
        assert ledger.lookup(CHARGE) is None
        assert ledger.charge(CHARGE).status == "succeeded"

    def test_what_can_not_be_taken_back_is_unknown(self, ledger, tmp_path, monkeypatch):
        with monkeypatch.context() as broken:
            broken.setattr(keyed_log.os, "fsync", fails)
            with pytest.raises(Unknown, match="look its key up"):
                ledger.charge(CHARGE)
        assert ledger.charge(CHARGE).status == "succeeded"
        assert booked(tmp_path) == [CHARGE.key]

    def test_answers_nothing_that_another_wrote_before_it_is_on_the_disk(self, ledger, tmp_path, monkeypatch):
        other = open_payments("ledger:", tmp_path)
        ledger.charge(CHARGE)
        with monkeypatch.context() as broken:
            broken.setattr(keyed_log.os, "fsync", fails)
            for _ in range(2):
                with pytest.raises(Temporary):
                    other.lookup(CHARGE)
        assert other.lookup(CHARGE) == ledger.lookup(CHARGE)

    def test_looks_at_what_was_added_and_never_at_all_of_it_again(self, ledger, tmp_path, monkeypatch):
        line = '{{"key":"key_{0}","site":"s","invoice":"i","amount_cents":5,"at":"2026-01-25T09:30:00.000000Z"}}\n'
        (tmp_path / "payments.jsonl").write_text("".join(map(line.format, range(100_000))))
        assert ledger.lookup(replace(CHARGE, key="key_99999")) == ChargeOutcome("succeeded", "", "card")
        parsed: list[bytes] = []
        real = keyed_log._parsed
        monkeypatch.setattr(keyed_log, "_parsed", lambda raw: parsed.append(raw) or real(raw))
        for number in range(0, 100_000, 1_000):
            assert ledger.lookup(replace(CHARGE, key=f"key_{number}"))
        ledger.charge(CHARGE)
        assert len(parsed) == 100

    def test_sees_the_charges_of_another_process_and_a_book_that_was_put_back(self, ledger, tmp_path):
        assert ledger.lookup(CHARGE) is None
        assert end_of(start(lambda: open_payments("ledger:", tmp_path).charge(CHARGE))) == 0
        assert ledger.lookup(CHARGE)
        (tmp_path / "restored").touch()
        (tmp_path / "restored").rename(tmp_path / "payments.jsonl")
        assert ledger.lookup(CHARGE) is None

    def test_says_so_when_a_stopped_process_keeps_the_lock(self, ledger, tmp_path, monkeypatch):
        monkeypatch.setattr(file_lock, "TRIES", 3)
        monkeypatch.setattr(file_lock, "PAUSE_SECONDS", 0)
        with (tmp_path / "payments.jsonl").open("ab") as held:
            file_lock.take_turn(held)
            with pytest.raises(Temporary, match=r"payments\.jsonl is locked by another process"):
                ledger.charge(CHARGE)
        assert ledger.charge(CHARGE).status == "succeeded"

    def test_says_what_to_do_when_the_folder_can_not_be_used(self, tmp_path: Path):
        (tmp_path / "file").touch()
        ledger = open_payments("ledger:", tmp_path / "file")
        for call in (ledger.writable, lambda: ledger.lookup(CHARGE), lambda: ledger.charge(CHARGE)):
            with pytest.raises(Temporary, match=r"file: .*exists; something stands where a folder must be"):
                call()


@contextmanager
def no_file_longer_than(size: int):
    """A disk with that much room: the system writes a part and then refuses, as a full one does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fails(*_: object) -> None:
    raise OSError("no more")


@pytest.mark.parametrize("url", ["paypal:", "ledger", "ledger:/elsewhere", "", "stripe:sk_live_abc"])
def test_a_url_that_chooses_no_card_network_is_refused_with_the_remedy(url: str, tmp_path: Path):
    with pytest.raises(ValueError, match=r"TENURE_PAYMENTS_URL='.*set.* (ledger|stripe):") as refused:
        open_payments(url, tmp_path)
    assert "sk_live_abc" not in str(refused.value)
