"""An act that ended after its claim was lost: what it did last may undo what has been decided since."""

import engine
from models import site as sites
from models.admission import Woken
from models.database import reading, writing
from workers.crash import reached
from workers.handled import tell_law
from workers.work import Report, Work
from workers.workplace import Workplace

ACCESS = {"bring_online", "take_offline", "set_agent_limit", "restore"}


def make_good(place: Workplace, work: Work) -> None:
    """Tell the host once more what holds now, and take away what was put down for a site that is deleted."""
    reached("late.lost")
    with reading(place.database) as tx:
        site = sites.find(tx, work.site.id)
    if site is None:
        return
    if site.state == "deleted":
        place.downloads.remove_all(site.id)
        place.vault.remove_all(site.id)
        reached("late.taken_away")
    elif work.row.kind in ACCESS and site.ready_at is not None and site.state != "deleting":
        _entitle(place, site, work.row.id)
        reached("late.made_good")


def _entitle(place: Workplace, site: engine.Site, key: str) -> None:
    place.host.set_agent_limit(site.id, site.agents_allowed, key=key)
    (place.host.bring_online if site.online else place.host.take_offline)(site.id, key=key)


def tell_late(place: Workplace, work: Work, report: Report) -> list[Woken]:
    """A charge that was made after an operator had dropped it: the money is to go back, and somebody must know."""
    if report.command != "site.charge_succeeded":
        return []
    with writing(place.database) as tx:
        site = sites.find(tx, work.site.id)
        paid = work.row.args["payment_id"]
        if site is None or paid not in {one.payment_id for one in site.dropped}:
            return []
        return tell_law(tx, place, site, work.row, report.command, report.data)
