"""Alarms: what operators are told at once. The list is closed; each code has one remedy (contract.md, section 2)."""

from typing import Any

ALARMS = {
    "backup.partial": "look at what was left out, then site.waive with guard=backup if the site may go without it",
    "refund.due": "refund it at the payment provider, then site.record_refund with the invoice that `site show` names",
    "notice.bounced": "mend the contact with site.update_contact, or send it again with site.retry, or waive it",
    "restore_point.missing": "look at what gave up on the site (`tenure dead list`) and let the night be tried again",
    "safe_mode": "look at the clocks and the database, then `tenure safe-mode leave`",
    "silence": "look at `tenure deletion preview`, then `tenure safe-mode leave` or `tenure deletion resume`",
    "deletions.tripped": "look at `tenure deletion preview`, then `tenure deletion resume --confirm N`",
    "redis.memory": "see what fills Redis (`tenure doctor`), let the workers catch up, raise TENURE_REDIS_MAX_MB",
    "mail.outage": "check TENURE_MAIL_URL and the mail server (`tenure doctor` asks it); no letter is lost meanwhile",
    "payments.outage": "check the key in TENURE_STRIPE_KEY_FILE (`tenure doctor` asks with it); charges wait meanwhile",
    "work.stuck": "look at the site's content and at the disk; another worker tries again when the lease has run out",
    "database.unreadable": "`tenure site show` says what is wrong with the site's database and what helps",
}


def alarm(code: str, what: str, **more: Any) -> dict[str, Any]:
    """The data of `alarm.raised`: code, what happened, what to do; `alarm` and `error` are their names of version 0.1.

    Raises KeyError for a code that is not in the list.
    """
    return {"code": code, "what": what, "do": ALARMS[code], "alarm": code, "error": what, **more}
