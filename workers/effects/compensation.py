"""An act that ended after its claim was lost: what it did last may undo what has been decided since."""

import engine
from models import site as sites
from models.admission import Woken
from models.database import reading, writing
from workers.base.fault_points import fault_point
from workers.commands.operator_report import tell_law
from workers.context import Context
from workers.effects.claim import Claim, EffectResult

ACCESS = {"bring_online", "take_offline", "set_agent_limit", "restore"}


def compensate(context: Context, work: Claim) -> None:
    """Tell the host once more what holds now, and take away what was put down for a site that is deleted."""
    fault_point("late.lost")
    with reading(context.database) as tx:
        site = sites.find(tx, work.site.id)
    if site is None:
        return
    if site.state == "deleted":
        context.downloads.remove_all(site.id)
        context.vault.remove_all(site.id)
        fault_point("late.taken_away")
    elif work.row.kind in ACCESS and site.ready_at is not None and site.state != "deleting":
        _entitle(context, site, work.row.id)
        fault_point("late.made_good")


def _entitle(context: Context, site: engine.Site, key: str) -> None:
    context.host.set_agent_limit(site.id, site.agents_allowed, key=key)
    (context.host.bring_online if site.online else context.host.take_offline)(site.id, key=key)


def tell_late(context: Context, work: Claim, report: EffectResult) -> list[Woken]:
    """A charge that was made after an operator had dropped it: the money is to go back, and somebody must know."""
    if report.command != "site.charge_succeeded":
        return []
    with writing(context.database) as tx:
        site = sites.find(tx, work.site.id)
        paid = work.row.args["payment_id"]
        if site is None or paid not in {one.payment_id for one in site.dropped}:
            return []
        return tell_law(tx, context, site, work.row, report.command, report.data)
