"""Whether all processes of a `tenure up` answer. Apart from `up`, because importing the client takes 0.2 s."""

from collections.abc import Mapping

from redis.exceptions import RedisError

from workers.health import liveness
from workers.queue import clients


class StartupWait:
    """The roles of one run, and how many processes of each must answer."""

    def __init__(self, redis_url: str, run: str, expected: Mapping[str, int]) -> None:
        self.client = clients.for_startup(redis_url)
        self.run = run
        self.expected = expected

    def is_complete(self) -> bool:
        """Whether everybody has answered within the last 15 s; no while Redis itself is away."""
        try:
            return all(liveness.count(self.client, role, self.run) >= least for role, least in self.expected.items())
        except RedisError:
            return False
