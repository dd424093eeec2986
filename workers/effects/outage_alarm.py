"""The alarm of an outage: once for all work that it keeps waiting, and once more each hour that it lasts."""

import time

from engine.alarms import ALARMS, alarm
from models.clock import engine_now
from models.database import writing
from models.event import tell
from workers.base.away import AWAY
from workers.base.logs import log
from workers.context import Context

AGAIN_SECONDS = 3600.0


def raise_once(context: Context, code: str, what: str) -> None:
    """Tell operators and other systems, unless this process told them within the hour. The log has it in any case."""
    now = time.monotonic()
    if now < context.alarmed.get(code, float("-inf")) + AGAIN_SECONDS:
        return
    context.alarmed[code] = now
    log.error("alarm", code=code, error=f"{what}; {ALARMS[code]}")
    try:
        with writing(context.database) as tx:
            tell(tx, "alarm.raised", alarm(code, what), engine_now(tx), host="*", site_id=None, cause=None)
    except AWAY as wrong:
        context.alarmed.pop(code)
        log.warning("failed", code=code, error=f"the alarm was not told: {wrong}")
