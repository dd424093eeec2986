"""What the database says about itself: its version, and whether a commit is on the disk."""

from typing import Any

from sqlalchemy import Connection

ASKED = ("server_version", "server_version_num", "server_encoding", "fsync", "full_page_writes", "synchronous_commit")
POSTGRESQL = ", ".join(
    (
        *(f"current_setting('{name}') AS {name}" for name in ASKED),
        "current_setting('default_transaction_read_only') AS read_only",
        "pg_is_in_recovery() AS standby",
    )
)
SYNCHRONOUS = ("OFF", "NORMAL", "FULL", "EXTRA")


def settings(tx: Connection) -> dict[str, Any]:
    """The settings of this session that decide whether a commit can be lost, by name."""
    if tx.dialect.name == "postgresql":
        return dict(tx.exec_driver_sql(f"SELECT {POSTGRESQL}").mappings().one())
    return {
        "version": tx.exec_driver_sql("SELECT sqlite_version()").scalar_one(),
        "journal_mode": tx.exec_driver_sql("PRAGMA journal_mode").scalar_one(),
        "synchronous": SYNCHRONOUS[int(tx.exec_driver_sql("PRAGMA synchronous").scalar_one())],
    }
