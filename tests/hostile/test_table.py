"""The table of what was tried names tests that exist, and leaves none of this folder out."""

import re
from pathlib import Path

HERE = Path(__file__).parent
ROWS = [line for line in (HERE / "README.md").read_text().splitlines() if line.startswith("| ")][1:]
NAMES = [name for row in ROWS for name in re.findall(r"`([^`]*test_\w+(?:\.py)?)`", row.rsplit("|", 2)[1])]


def test_each_line_has_a_kind_where_else_it_was_looked_for_and_a_test():
    assert len(ROWS) > 20
    for row in ROWS:
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert (len(cells), all(cells)) == (4, True), row
        assert "test_" in cells[-1], row


def test_each_test_that_the_table_names_exists():
    defined = set()
    for path in HERE.parent.rglob("test_*.py"):
        defined |= set(re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE))
    for name in NAMES:
        assert (HERE / name).is_file() if name.endswith(".py") else name in defined, name


def test_each_file_of_tests_here_stands_in_the_table():
    files = {path.name for path in HERE.glob("test_*.py")} - {Path(__file__).name}
    assert files - set(NAMES) == set()
