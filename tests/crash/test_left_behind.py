"""What a process leaves in a site's folder when it dies there: never taken for the customer's, and soon gone."""

import os
from dataclasses import replace

from workers.hosts import marker

LEFT = "..tenure.json.0123abcd"
THEIRS = "..tenure.json.mine"


def test_the_draft_of_a_marker_is_in_no_backup_and_goes_with_the_next_marker(world):
    world.start_trial()
    folder = world.site_folder()
    for name in (LEFT, THEIRS):
        (folder / name).write_text("half of it")

    with world.place.host.snapshot(folder.name) as snapshot:
        saved = {entry.path for entry in snapshot}
    assert LEFT not in saved
    assert {THEIRS, "helpdesk.db"} <= saved

    marker.write(folder, replace(marker.read(folder, folder.name), agents=9))
    assert (folder / LEFT).exists(), "it may be another worker's, who is writing"
    minute_ago = (folder / marker.NAME).stat().st_mtime - marker.LEFT_SECONDS - 1
    os.utime(folder / LEFT, (minute_ago, minute_ago))
    marker.write(folder, replace(marker.read(folder, folder.name), agents=9))
    assert not (folder / LEFT).exists()
    assert (folder / THEIRS).exists()
