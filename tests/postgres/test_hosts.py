"""Many hosts of one fleet on one PostgreSQL: nothing is elected, nothing is lost, nothing is done twice."""

import pytest

from tests.newer_schema import bring_a_newer_schema
from tests.postgres.crowd import Crowd
from tests.postgres.hosts import Hosts

CARD = {"agents": 3, "payment_method": "pm_visa"}


@pytest.fixture
def hosts(tmp_path, redis_url, databases):
    made = Hosts(tmp_path, redis_url, databases()["DATABASE_URL"])
    yield made
    made.close()


def test_hosts_that_join_leave_and_die_in_the_middle_of_many_lives_lose_nothing_and_repeat_nothing(hosts):
    live_with(hosts, 40)


@pytest.mark.long
def test_a_thousand_lives_on_four_workers_and_three_clocks_of_which_two_die(hosts):
    live_with(hosts, 1_000)


def live_with(hosts, size):
    for role in ("worker", "worker", "worker", "worker", "clock", "clock", "clock"):
        hosts.add(role)
    crowd = Crowd(hosts.context, size)
    crowd.say("start_trial", "begins")
    crowd.ask("subscribe", "subscribes", **CARD)
    hosts.kill("worker", 1)
    crowd.hear("subscribe", "subscribes", **CARD)
    crowd.live_on("2d")
    crowd.ask("cancel", "leaves")
    bring_a_newer_schema(hosts.context)
    hosts.kill("clock", 0)
    hosts.add("worker")
    crowd.hear("cancel", "leaves")
    crowd.say("subscribe", "returns", **CARD)
    assert hosts.leave("worker", 0) == 0
    crowd.say("cancel", "leaves again")
    crowd.live_on("15d")
    assert crowd.harm() == []
