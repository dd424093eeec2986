"""What a clock does for producers, each second: the file, their users in Valkey, early commands."""

from redis.exceptions import RedisError

from workers.base.logs import log
from workers.context import Context
from workers.producers import unknown_keys
from workers.producers.loading import FileWatch
from workers.producers.rejections import NotAuthenticError
from workers.supervisor import embedded_users


class ProducersKeeper:
    """Keeps what depends on the producers in step with them."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.watch = FileWatch(context.settings, context.database)
        self.version: int | None = None

    def look(self) -> None:
        """Do what is to be done now. Raises SQLAlchemyError, RedisError, OSError."""
        self.watch.look()
        known = self.context.producers.now()
        if known.version != self.version:
            self._keep_users()
            self.version = known.version
        over = unknown_keys.look_again(self.context.redis, known)
        if over:
            why = f"they are signed with keys that nobody has known for {unknown_keys.WAIT_SECONDS} s"
            self.context.rejections.note(self.context.redis, [NotAuthenticError(unknown_keys.CODE, why)] * over)

    def _keep_users(self) -> None:
        try:
            embedded_users.keep(self.context)
        except (RedisError, ValueError) as wrong:
            log.error("alarm", error=f"the producers' users of Redis could not be made: {wrong}")
