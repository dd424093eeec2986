"""Does to a site what effects do, in a process that may be killed: `python -m tests.hostile.actor KIND DATA_DIR`.

A line on standard input is an act and a name for it; a line on standard output says how it ended.
"""

import sys
from pathlib import Path

from tests.hostile.adapters import KINDS
from workers.base.errors import Permanent, Temporary

SITE = "site_hostile"
SAVED = "bkp_before"


def save(adapters, item):
    """A backup of the site, read back."""
    with adapters.host.snapshot(SITE) as snapshot:
        adapters.vault.save(SITE, item, snapshot)
    adapters.vault.verify(SITE, item)


def export(adapters, item):
    with adapters.host.snapshot(SITE) as snapshot:
        adapters.downloads.build(SITE, item, snapshot)


def restore(adapters, item):
    """What was saved before comes back."""
    into = adapters.host.beside(SITE)
    adapters.vault.extract(SITE, SAVED, into)
    adapters.host.replace(SITE, into, key=item)


def remove(adapters, item):
    adapters.host.remove(SITE, key=item)
    adapters.downloads.remove_all(SITE)
    adapters.vault.remove_all(SITE)
    left = [*adapters.host.remains(SITE), *adapters.downloads.remains(SITE), *adapters.vault.remains(SITE)]
    if left:
        raise Temporary(f"left: {left}")


ACTS = {"back_up": save, "export": export, "restore": restore, "remove": remove}


def outcome(adapters, act, item):
    try:
        ACTS[act](adapters, item)
    except (Permanent, Temporary) as wrong:
        return f"{type(wrong).__name__}: {str(wrong)!a}"
    except Exception as wrong:  # noqa: BLE001 - whatever it is, the race names it
        return f"surprise {type(wrong).__name__}: {str(wrong)!a}"
    return "done"


def main():
    kind, data_dir = sys.argv[1:]
    adapters = KINDS[kind](Path(data_dir))
    for line in sys.stdin:
        act, item = line.split()
        sys.stdout.write(outcome(adapters, act, item) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
