"""Databases as a hostile customer would make them: each function makes one in a site's folder."""

import os
import socket
from contextlib import closing
from pathlib import Path

import pysqlite3.dbapi2 as sqlite

NAME = "helpdesk.db"
ENDLESS = "WITH RECURSIVE r(active) AS (SELECT 1 UNION ALL SELECT active + 1 FROM r) SELECT active FROM r"
MANY = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) INSERT INTO {} SELECT {} FROM n"


def remade(folder: Path, script: str) -> Path:
    """A new database in the place of the site's own."""
    for left in folder.glob(f"{NAME}*"):
        left.unlink()
    with closing(sqlite.connect(folder / NAME)) as database:
        database.executescript(script)
    return folder / NAME


def endless_view(folder):
    remade(folder, f"CREATE VIEW agents AS {ENDLESS}")


def endless_view_behind_a_table(folder):
    """`agents` is a table, and a trigger or view beside it is endless."""
    remade(
        folder, f"CREATE TABLE real(active); CREATE VIEW v AS {ENDLESS}; CREATE VIEW agents AS SELECT * FROM v, real"
    )


def virtual_table(folder):
    remade(folder, "CREATE VIRTUAL TABLE agents USING fts5(active)")


def costly_generated_column(size, rows):
    def made(folder):
        heavy = f"length(hex(zeroblob({size} + id))) % 2"
        script = f"CREATE TABLE agents (id INTEGER PRIMARY KEY, active AS ({heavy}) VIRTUAL);"
        remade(folder, script + MANY.format(rows, "agents(id)", "i"))

    return made


def view_that_says_it_is_a_table(folder):
    path = remade(folder, f"CREATE VIEW agents AS {ENDLESS}")
    with closing(sqlite.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA writable_schema = ON")
        database.execute("UPDATE sqlite_schema SET type = 'table', rootpage = 1 WHERE name = 'agents'")


def no_agents(folder):
    remade(folder, "CREATE TABLE people (active)")


def no_column(folder):
    remade(folder, "CREATE TABLE agents (id INTEGER PRIMARY KEY)")


def many_rows(folder, rows=2_000_000):
    remade(folder, "CREATE TABLE agents (active);" + MANY.format(rows, "agents", "1"))


def many_tables(folder, tables=3_000):
    remade(folder, "BEGIN;" + "".join(f"CREATE TABLE t{n} (a, b);" for n in range(tables)) + "COMMIT")


def corrupt_header(folder):
    path = folder / NAME
    path.write_bytes(b"SQLite format 3\0" + os.urandom(8176))


def torn_pages(folder):
    path = remade(folder, "CREATE TABLE agents (active);" + MANY.format(5_000, "agents", "i"))
    whole = bytearray(path.read_bytes())
    whole[4096:20_000] = os.urandom(20_000 - 4096)
    path.write_bytes(whole)


def no_database(folder):
    (folder / NAME).write_text("I am no database\n" * 1000)


def sparse_terabyte(folder):
    with (folder / NAME).open("r+b") as file:
        file.truncate(1 << 40)
        file.seek(28)
        file.write(((1 << 40) // 4096 - 1).to_bytes(4, "big"))


def link_to(target):
    def linked(folder):
        (folder / NAME).unlink()
        (folder / NAME).symlink_to(target)

    return linked


def fifo(folder):
    (folder / NAME).unlink()
    os.mkfifo(folder / NAME)


def folder_of_that_name(folder):
    (folder / NAME).unlink()
    (folder / NAME).mkdir()


def bound_socket(folder):
    (folder / NAME).unlink()
    here = os.open(folder, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{here}/{NAME}")
    os.close(here)


def fifo_beside(suffix):
    def beside(folder):
        os.mkfifo(folder / f"{NAME}{suffix}")

    return beside


def missing(folder):
    (folder / NAME).unlink()


def costly_index(folder, rows=50):
    """An index whose check computes something large for each row."""
    script = "CREATE TABLE t (x);" + MANY.format(rows, "t", "i")
    with closing(sqlite.connect(folder / NAME)) as database:
        database.executescript(f"{script}; CREATE INDEX costly ON t (length(hex(zeroblob(9000000 + x))))")


def index_of_huge_values(folder, megabytes=60):
    with closing(sqlite.connect(folder / NAME)) as database:
        database.executescript(
            f"CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob({megabytes << 20})); CREATE INDEX huge ON t (x)"
        )


def journal_that_names(victim: Path):
    """A hot journal of the site's own database that names another file as the one to remove."""

    def made(folder):
        path = folder / NAME
        with closing(sqlite.connect(path, isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = DELETE")
            database.execute("PRAGMA cache_size = 1")
            database.execute("CREATE TABLE IF NOT EXISTS pad (x)")
            database.execute("BEGIN IMMEDIATE")
            database.execute("INSERT INTO pad VALUES (zeroblob(200000))")
            database.execute("UPDATE agents SET active = 0")
            pages, journal = path.read_bytes(), path.with_name(f"{NAME}-journal").read_bytes()
            database.execute("ROLLBACK")
        name = os.fsencode(victim)
        checked = sum(name) & 0xFFFFFFFF
        end = (1 << 18).to_bytes(4, "big") + name + len(name).to_bytes(4, "big") + checked.to_bytes(4, "big")
        path.write_bytes(pages)
        path.with_name(f"{NAME}-journal").write_bytes(journal + end + journal[:8])

    return made
