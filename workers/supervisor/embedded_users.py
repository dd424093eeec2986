"""The producers' users of the embedded Valkey: made when producers change, and again after a restart of the server."""

from workers.base.up_file import saved_url
from workers.context import Context
from workers.producers import redis_users
from workers.supervisor import embedded_valkey


def is_embedded(context: Context) -> bool:
    """Whether the Redis in use is that of this data folder: of another one, its users are its operator's matter."""
    url = context.settings.redis_url
    return url is not None and url == saved_url(context.settings.data_dir)


def keep(context: Context) -> None:
    """Let the embedded Valkey have the users of the producers that are known, now and when it starts again.

    Raises RedisError, OSError.
    """
    if not is_embedded(context):
        return
    lines = redis_users.keep(context.redis, context.producers.now().producers.values())
    embedded_valkey.save_users(context.settings.data_dir, lines)
