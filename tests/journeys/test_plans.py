"""What is asked every day reads what it needs, however large the fleet is: the databases say how they would do it."""

import re
from contextlib import contextmanager

from sqlalchemy import event

from workers.cli import deletion_reports, figures, reports
from workers.commands import dead_letters
from workers.safety import breaker

GROWING = ("site", "receipt", "timer", "effect", "event", "invoice", "payment", "backup", "export", "warrant")
ASKED = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
FROM_THE_FIRST = re.compile(r"FROM event ORDER BY event\.seq\s+LIMIT")
"""Read from its beginning, and no further than it has to."""

RARELY = (
    "WHERE event.at >=",  # once a day at the most, when the stream was emptied
    "count(*) AS count_1 \nFROM site \nWHERE site.state !=",  # the share of the fleet, before a deletion
    "FROM effect ORDER BY effect.seq",  # the tests themselves look at all of them
)


@contextmanager
def plans(database):
    """What was asked while it is open, with how the database would do it."""
    found: dict[str, list[str]] = {}

    def explain(connection, _cursor, statement, parameters, _context, is_many):
        if ASKED.match(statement) and statement not in found:
            given = parameters[0] if is_many else parameters
            cursor = connection.connection.driver_connection.cursor()
            found[statement] = HOW[connection.dialect.name](cursor, statement, given)
            cursor.close()

    event.listen(database, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        event.remove(database, "before_cursor_execute", explain)


def of_sqlite(cursor, statement, given):
    return [row[3] for row in cursor.execute(f"EXPLAIN QUERY PLAN {statement}", given)]


def of_postgresql(cursor, statement, given):
    """Small tables are read whole whatever indexes there are: it may do so only where there is no other way."""
    cursor.execute("SET LOCAL enable_seqscan = off")
    return [row[0] for row in cursor.execute(f"EXPLAIN {statement}", given)]


HOW = {"sqlite": of_sqlite, "postgresql": of_postgresql}
WHOLE = re.compile(rf"^SCAN ({'|'.join(GROWING)})$|Seq Scan on ({'|'.join(GROWING)})\b")


def whole(found):
    """Statements for which a table that grows with the fleet is read from end to end."""
    return [
        statement
        for statement, plan in found.items()
        if any(WHOLE.search(step) for step in plan)
        and not FROM_THE_FIRST.search(statement)
        and not any(words in statement for words in RARELY)
    ]


def test_no_table_that_grows_with_the_fleet_is_read_whole_by_what_happens_daily(world):
    with plans(world.context.database) as found:
        world.start_active()
        world.send("change_plan", agents=9)
        world.send("back_up")
        world.advance(days=3)
        world.send("cancel")
        world.advance(days=13)
        breaker.pause(world.context)
        world.advance(days=1)
        breaker.resume(world.context, deletion_reports.preview(world.context)["count"])
        world.advance(days=10)
        figures.stats(world.context)
        dead_letters.listing(world.context)
        reports.due(world.context, within=None, subject=None)
    assert world.state() == "deleted"
    assert len(found) > 100
    assert whole(found) == []
