"""The real processes on PostgreSQL: `tenure up` with its own Valkey and a database outside."""

import json
import os
import signal

from sqlalchemy import text

from models.database import writing


def test_a_life_by_the_real_processes_with_a_worker_killed_and_the_server_restarted_on_the_way(live):
    live.start(WORKER_PROCESSES="2")
    up = json.loads((live.data_dir / "up.json").read_text())
    assert up["database_url"] == live.settings["TENURE_DATABASE_URL"]
    assert not (live.data_dir / "tenure.db").exists()
    live.run("doctor")
    site = live.start_trial()
    live.send("subscribe", "agents=7", "payment_method=pm_visa")
    os.kill(live.find("-m workers")[-1], signal.SIGKILL)
    live.send("cancel")
    assert live.show()["state"] == "cancelled"

    end_all_connections(live)
    live.advance("15d")

    assert live.show()["state"] == "deleted"
    assert live.json("deletion", "verify")["broken_at"] is None
    assert [move["to"] for move in live.history() if move["type"] == "site.site_deleted"] == ["deleted"]
    assert not (live.data_dir / "sites" / site["site_id"]).exists()
    assert live.stop() == 0


def end_all_connections(live):
    with writing(live.context.database) as tx:
        tx.execute(
            text(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
        )
