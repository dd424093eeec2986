"""At the start: let the host take over what an older version has left in it, as the database knows its sites."""

from collections.abc import Mapping
from functools import partial

from sqlalchemy import Engine

from models import site as sites
from models.database import reading
from workers.adapters.host import open_host
from workers.adapters.hosts.adoption import Known
from workers.base.errors import Permanent, Temporary
from workers.base.logs import log
from workers.base.settings import Settings


def take_over(settings: Settings, database: Engine) -> None:
    """Do it; what fails is told, and tried again at the next start. Raises ValueError for a host that is none."""
    host = open_host(settings.host_url, settings.data_dir)
    try:
        host.take_over(partial(_known, database))
    except (Permanent, Temporary, OSError) as wrong:
        log.error("alarm", error=f"the sites of an older version were not all taken over: {wrong}")


def _known(database: Engine, ids: list[str]) -> Mapping[str, Known]:
    with reading(database) as tx:
        found = sites.find_all(tx, ids)
    return {
        site.id: Known(site.host, site.online, site.agents_allowed, site.ready_at is not None, site.state == "deleted")
        for site in found.values()
    }
