"""What a process leaves in a site's folder when it dies there: never taken for the customer's, and soon gone."""

import os

from workers.adapters.hosts import marker_copy

LEFT = "..tenure.json.0123abcd"
THEIRS = "..tenure.json.mine"


def test_the_draft_of_a_copy_of_the_marker_is_in_no_backup_and_goes_with_the_next_one(world):
    world.start_trial()
    folder = world.site_folder()
    for name in (LEFT, THEIRS):
        (folder / name).write_text("half of it")

    with world.context.host.snapshot(folder.name) as snapshot:
        saved = {entry.path for entry in snapshot}
    assert LEFT not in saved
    assert {THEIRS, "helpdesk.db"} <= saved

    world.context.host.set_agent_limit(folder.name, 9, key="l")
    assert (folder / LEFT).exists(), "it may be another worker's, who is writing"
    minute_ago = (folder / marker_copy.NAME).stat().st_mtime - marker_copy.LEFT_SECONDS - 1
    os.utime(folder / LEFT, (minute_ago, minute_ago))
    world.context.host.set_agent_limit(folder.name, 10, key="l")
    assert not (folder / LEFT).exists()
    assert (folder / THEIRS).exists()
