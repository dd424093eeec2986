"""The words of the law about backups: both its columns, for a point that is missed is asked for and told here."""

from datetime import datetime, timedelta

from engine.case import Case, known
from engine.decision import Refused
from engine.nights import next_night, trouble
from engine.retention import POINTS, Kept, missed, nightly, restore_points
from engine.vocabulary import action, guard
from engine.words import moment, named, shown

# Nights


@action
def back_up_nightly(case: Case) -> None:
    """A night, or another try of one; each looks at the restore points as well."""
    case.change(night_at=case.now, night_again_at=None)
    case.must("back_up", of="nightly", purpose="nightly", generation=case.site.generation)
    case.notes.append(f"next nightly backup at {moment(next_night(case.site))}")
    if case.command.backups is not None:
        _look_at_points(case, case.command.backups)


def _look_at_points(case: Case, backups: tuple[Kept, ...]) -> None:
    """A point that is missed is told once, until it is well again."""
    before = case.site.missing
    since = known(case.site.nights_from or case.site.ready_at)
    case.change(missing=missed(backups, since, case.now))
    new = [name for name in case.site.missing if name not in before]
    if new:
        case.alarm(known(trouble(case.site)), points=new)


@action
def retry_nightly_backup(case: Case) -> None:
    """A night that gave up has another try on the same day."""
    case.change(night_again_at=case.now + case.policy.night_retry)


@action
def note_nightly_backup(case: Case) -> None:
    """A good night: the previous day is there again; the older points are looked at on the next one."""
    saved_at = max(case.given("taken_at") or case.now, case.site.saved_at or case.site.created_at)
    missing = tuple(name for name in case.site.missing if name != "previous_day")
    case.change(saved_at=saved_at, night_again_at=None, missing=missing)


# Restoring


@guard("a legal hold keeps the content as it is; site.release ends it")
def must_not_be_held(case: Case) -> bool:
    if case.site.held_for is not None:
        raise Refused(
            "hold.active",
            f"a hold is on {named(case.site.host)} ({shown(case.site.held_for)}): site.release ends it",
        )
    return True


@guard(
    "no such backup, or a restore point that can't exist yet; `tenure backup list` shows all", needs=("from", "backups")
)
def must_have_a_restore_point(case: Case) -> bool:
    if wanted(case) is None:
        raise Refused("restore.no_such_point", _no_such_point(case))
    return True


def wanted(case: Case) -> Kept | None:
    """The backup that `from` means: a restore point's, or the one of this id."""
    name, backups = case.given("from"), case.command.backups or ()
    if name in POINTS:
        return restore_points(backups, case.now)[name]
    return next((one for one in backups if one.id == name), None)


def _no_such_point(case: Case) -> str:
    name, site = case.given("from"), case.site
    if name not in POINTS:
        return f"from {shown(name)} is not a backup of {named(site.host)}; `tenure backup list` shows all"
    return (
        f"from {shown(name)} is a point that {named(site.host)} does not have yet; "
        f"it can exist from {moment(_possible_from(name, case))}"
    )


def _possible_from(name: str, case: Case) -> datetime | None:
    """When the oldest nightly backup, or the first one to come, is old enough; never earlier than now."""
    nights = nightly(case.command.backups or ())
    first = nights[0].taken_at if nights else next_night(case.site)
    return None if first is None else max(first + POINTS[name], case.now)


@action
def restore(case: Case) -> None:
    """A safety backup and the restore are one effect, so that nothing comes in between."""
    backup = known(wanted(case))
    case.must("restore", backup=backup.id, taken_at=backup.taken_at, generation=case.site.generation)
    case.notes.append(
        f"{named(case.site.host)} will be as it was at {moment(backup.taken_at)}: "
        f"{in_words(case.now - backup.taken_at)} of data leave the live site; "
        "a safety backup is made first and can be restored by its id"
    )
    if backup.lacks:
        case.notes.append(f"this backup does not bring back everything: {backup.lacks}")


@action
def mail_restored(case: Case) -> None:
    """Tell the customer that the restore is done."""
    case.mail("restored", taken_at=case.given("taken_at"))


def in_words(length: timedelta) -> str:
    """`7 days 3 hours`, `20 minutes`: the two largest units."""
    seconds = int(length.total_seconds())
    sizes = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
    parts = []
    for unit, size in sizes:
        count, seconds = divmod(seconds, size)
        parts += [f"{count} {unit}{'' if count == 1 else 's'}"] if count else []
    return " ".join(parts[:2]) or "0 seconds"
