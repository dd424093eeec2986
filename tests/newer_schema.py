"""The schema of a version to come, which this version has to live with while hosts are replaced one by one."""

from sqlalchemy import text

from models import schema, schema_compat
from models.database import writing

NEWER = (
    "ALTER TABLE site ADD COLUMN shade VARCHAR",
    "ALTER TABLE effect ADD COLUMN colour VARCHAR",
    """UPDATE site SET owed = replace(owed, '{', '{"mood": "calm",')""",
    """UPDATE site SET paying = replace(paying, '{', '{"mood": "calm",')""",
    "ALTER TABLE event ADD COLUMN weight INTEGER DEFAULT 7 NOT NULL",
)


def bring_a_newer_schema(place, oldest=schema.OLDEST):
    """What `tenure migrate` of the next version does, while this one runs."""
    with writing(place.database) as tx:
        for statement in (*NEWER, "UPDATE alembic_version SET version_num = '9000'"):
            tx.execute(text(statement))
        schema_compat.say(tx, oldest)
