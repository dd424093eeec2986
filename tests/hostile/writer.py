"""A customer who changes the own site as fast as a process can: `python -S writer.py SITE_FOLDER STYLE SEED [PAUSE]`.

It stands in the folder and names everything from there, so it goes on after the folder has got another name. It has
no rights but those of a customer, except for `mounts`, which needs root. It pauses so many seconds between two changes,
none if nothing is said, and ends when it is killed.
"""

# Names as the system calls take them: nothing here may cost time.
# ruff: noqa: PTH102, PTH104, PTH105, PTH108, PTH123, PTH211

import contextlib
import ctypes
import json
import os
import random
import sys
import time

EXCHANGE = 2
HERE = -100
BIND, DETACH = 4096, 2
LIBRARY = ctypes.CDLL(None)
if CAN_EXCHANGE := hasattr(LIBRARY, "renameat2"):
    LIBRARY.renameat2.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)

PAIRS = 12
FOLDERS = 160
DEPTH = 40
NEIGHBOUR = "site_victim"


def exchange(one, other):
    """Two names change places in one step."""
    LIBRARY.renameat2(HERE, os.fsencode(one), HERE, os.fsencode(other), EXCHANGE)


def helpdesk(chance):
    """The help desk's database and a link to the engine's change places, slowly enough to be met as both."""
    os.symlink("../../tenure.db", "aside.db")
    while True:
        exchange("helpdesk.db", "aside.db")
        time.sleep(chance.choice((0.0002, 0.001, 0.004, 0.012)))
        yield


def databases(chance):
    """Databases of the site's own and links to the engine's and the neighbour's."""
    for number in range(PAIRS):
        target = chance.choice(("../../../tenure.db", f"../../{NEIGHBOUR}/helpdesk.db"))
        os.symlink(target, f"attachments/link{number:03}.db")
    yield from swap(
        [(f"attachments/own{number:03}.db", f"attachments/link{number:03}.db") for number in range(PAIRS)], chance
    )


def files(chance):
    """Files and links to the neighbour's file."""
    for number in range(PAIRS):
        os.symlink(f"../../{NEIGHBOUR}/attachments/letter.txt", f"attachments/link{number:03}")
    yield from swap(
        [(f"attachments/file{number:03}", f"attachments/link{number:03}") for number in range(PAIRS)], chance
    )


def folders(chance):
    """Many folders and links to the neighbour's attachments."""
    os.mkdir("attachments/aside")
    for number in range(FOLDERS):
        os.symlink(f"../../../{NEIGHBOUR}/attachments", f"attachments/aside/{number:04}")
    pairs = [(f"attachments/many/{number:04}", f"attachments/aside/{number:04}") for number in range(FOLDERS)]
    yield from swap(pairs, chance)


def pipes(chance):
    """Files, logs of databases and the marker are pipes at times."""
    for number in range(PAIRS):
        os.mkfifo(f"attachments/pipe{number:03}")
    os.mkfifo("helpdesk.db-wal.aside")
    os.mkfifo("marker.aside")
    pairs = [(f"attachments/file{number:03}", f"attachments/pipe{number:03}") for number in range(PAIRS // 2)]
    pairs += [(f"attachments/own{number:03}.db", f"attachments/pipe{number:03}") for number in range(PAIRS // 2, PAIRS)]
    with contextlib.suppress(OSError):
        os.link("attachments/file000", "helpdesk.db-wal")
    yield from swap([*pairs, ("helpdesk.db-wal", "helpdesk.db-wal.aside"), (".tenure.json", "marker.aside")], chance)


def markers(chance):
    """The marker says something else each time, or is a link to the neighbour's."""
    number = 0
    while True:
        number += 1
        said = {"schema": "tenure/marker/1", "site": chance.choice((NEIGHBOUR, "site_hostile", 7)), "hostname": "x"}
        said |= {"online": True, "agents": 10_000, "replaced": "any"}
        with contextlib.suppress(OSError):
            with open("draft", "w") as file:
                json.dump(said, file)
            os.replace("draft", ".tenure.json")
            os.symlink(f"../{NEIGHBOUR}/.tenure.json", f"link{number % 9}")
            os.replace(f"link{number % 9}", ".tenure.json")
        yield


def depths(chance):
    """Folders in folders, deeper than a path may be long, that go from one place to another."""
    top = os.open(".", os.O_RDONLY)
    for _ in range(DEPTH):
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
    with open("bottom", "w") as file:
        file.write("deep")
    os.fchdir(top)
    names = ["d" * 200, "elsewhere"]
    while True:
        with contextlib.suppress(OSError):
            os.rename(*names)
        names.reverse()
        time.sleep(chance.random() / 500)
        yield


def sizes(chance):
    """Files grow and shrink, get other names and more names."""
    while True:
        name = f"attachments/file{chance.randrange(PAIRS):03}"
        with contextlib.suppress(OSError), open(name, "r+b") as file:
            file.truncate(chance.randrange(60_000))
        with contextlib.suppress(OSError):
            os.link(name, f"attachments/more{chance.randrange(PAIRS):03}")
        with contextlib.suppress(OSError):
            os.unlink(f"attachments/more{chance.randrange(PAIRS):03}")
        yield


def mounts(chance):
    """The neighbour's attachments are mounted in a folder of the site, and away again."""
    source, at = os.fsencode(os.path.realpath(f"../{NEIGHBOUR}/attachments")), b"attachments/many/0000"
    while True:
        LIBRARY.mount(source, at, None, BIND, None)
        time.sleep(chance.random() / 200)
        LIBRARY.umount2(at, DETACH)
        time.sleep(chance.random() / 1000)
        yield


def everything(chance):
    """One after the other, without order."""
    styles = [style(chance) for style in (helpdesk, databases, folders, pipes, markers, depths, sizes)]
    for style in styles:
        next(style)
    while True:
        next(chance.choice(styles))
        yield


def swap(pairs, chance):
    """All pairs change places, one after the other, again and again."""
    names = [(os.fsencode(one), os.fsencode(other)) for one, other in pairs]
    chance.shuffle(names)
    rename = LIBRARY.renameat2
    while True:
        for one, other in names:
            rename(HERE, one, HERE, other, EXCHANGE)
        yield


STYLES = {
    style.__name__: style
    for style in (helpdesk, databases, files, folders, pipes, markers, depths, sizes, mounts, everything)
}


def main():
    folder, name, seed, pause = (*sys.argv[1:], "0")[:4]
    os.chdir(folder)
    changes = STYLES[name](random.Random(seed))
    next(changes)
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    with contextlib.suppress(FileNotFoundError):  # the site is gone
        for _ in changes:
            if float(pause):
                time.sleep(float(pause))


if __name__ == "__main__":
    main()
