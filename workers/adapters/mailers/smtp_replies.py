"""Whose fault a mail server's refusal is: that of the mailbox or the content, or that of the server and its settings.

Only the first is about the mail. The second hits every mail alike (a relay that does not know this machine, a login, a
quota, a full disk), so no letter is given up for it. The detailed code (RFC 3463, 5248) tells where there is one, then
the code (RFC 5321), and words where a server gives 550 for both.
"""

import re

from workers.adapters.mailer import MailOutage
from workers.base.errors import Permanent, Temporary, Unknown

PERMANENT, REFUSED, TAKEN = 500, 400, 200
DETAIL = re.compile(r"\s*[45]\.([0-9]{1,3})\.([0-9]{1,3})\b")

MAIL, SERVER = "mail", "server"
BY_DETAIL = {
    "1": MAIL,  # the recipient's address
    "1.7": SERVER,  # the sender's address: `from=`
    "1.8": SERVER,  # the sender's domain
    "2": MAIL,  # the mailbox: full, disabled, gone
    "3": SERVER,  # the server's storage and load
    "3.4": MAIL,  # the message is too big for it
    "4": SERVER,  # its network
    "4.4": MAIL,  # no way leads to the recipient's domain
    "6": MAIL,  # the content
    "7": SERVER,  # relaying, login, policy, reputation, greylisting
    "7.17": MAIL,  # the mailbox has another owner
    "7.18": MAIL,  # the domain has another owner
}
"""Class and detail say it before the class alone; 0 and 5 (other, protocol) say nothing."""

ABOUT_A_MAILBOX = frozenset({450, 550, 551, 552, 553, 556})
"""What a code without detail means after RCPT and after the mail itself."""

ABOUT_THE_SERVER = re.compile(
    r"(?i)relay|authenticat|log ?in|polic|block|\blisted|denied|not (?:permitted|allowed)|spam|spf|dkim|dmarc"
    r"|rate|too many|(?:sending|daily|hourly|message) (?:quota|limit)"
)


def must_be_taken(step: str, code: int, reply: bytes | str) -> None:
    """Return if the server took this step; else raise what its answer means."""
    if TAKEN <= code < TAKEN + 100:
        return
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    said = f"the mail server answered {step} with {code} {text[:200]!r}"
    if step == "BODY" and not REFUSED <= code < PERMANENT + 100:
        raise Unknown(f"{said}, which is no answer: the mail may have arrived")
    if whose_fault(step, code, text) == SERVER:
        raise MailOutage(f"{said}: it is the server or TENURE_MAIL_URL that must be put right, not this mail")
    if code >= PERMANENT:
        raise Permanent(f"{said}: it will not take this mail")
    raise Temporary(said)


def whose_fault(step: str, code: int, text: str) -> str:
    """`mail` or `server`, for a refusal of MAIL, RCPT, DATA or BODY (the mail itself)."""
    if step not in {"RCPT", "BODY"}:
        return SERVER
    detail = DETAIL.match(text)
    if detail is not None:
        known = BY_DETAIL.get(f"{detail[1]}.{detail[2]}") or BY_DETAIL.get(detail[1])
        if known is not None:
            return known
    is_mailbox = code in ABOUT_A_MAILBOX and not ABOUT_THE_SERVER.search(text)
    return MAIL if is_mailbox else SERVER
