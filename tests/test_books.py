"""The books can be followed: links lead somewhere, the files of a walk exist, cited sections stand in the pages."""

import ast
import re
from itertools import pairwise

import pytest

from tests.books import ROOT, layers

PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not {".venv", "node_modules", ".pytest_cache", "version_0_1"} & {*path.relative_to(ROOT).parts}
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = [
    path for floor in ("engine", "models", "workers", "schedules", "tests") for path in (ROOT / floor).rglob("*.py")
]
MOST_FILES_FOR_A_BACKUP = 12


def name(path):
    return str(path.relative_to(ROOT))


def without_code(text):
    return re.sub(r"```[\s\S]*?```|^    .*$", "", text, flags=re.MULTILINE)


def headings(path):
    return re.findall(r"^#+ (.+)$", without_code(path.read_text()), re.MULTILINE)


def anchor(heading):
    """As code hosts make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def section(page, heading):
    text = (ROOT / page).read_text()
    assert f"{heading}\n" in text, heading
    level = heading.split(" ")[0]
    return re.split(rf"^{level} ", text.split(f"{heading}\n")[1], flags=re.MULTILINE)[0]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_relative_link_leads_to_a_file_and_a_heading(page):
    for link in LINK.findall(without_code(page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not fragment or fragment in map(anchor, headings(target)), link


def test_every_book_can_be_reached_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        links = {(page.parent / link.partition("#")[0]).resolve() for link in LINK.findall(page.read_text())}
        waiting += [link for link in links if link.suffix == ".md" and link.is_file() and link not in reached]
    assert set((ROOT / "docs").rglob("*.md")) | set(ROOT.glob("*.md")) <= reached


@pytest.mark.parametrize("walk", ["One command", "One timer", "One nightly backup"])
def test_a_walk_enters_no_file_twice(walk):
    files = re.findall(r"\]\(\.\./([^)]+\.py)\)", section("docs/architecture.md", f"### {walk}"))
    assert len(files) >= 7
    assert len(files) == len(set(files))
    assert all((ROOT / file).is_file() for file in files)


def test_a_nightly_backup_enters_at_most_twelve_files():
    files = re.findall(r"\]\(([^)]+\.py)\)", section("docs/architecture.md", "### One nightly backup"))
    assert 7 <= len(files) <= MOST_FILES_FOR_A_BACKUP


def answers():
    text = section("CONTRIBUTING.md", "## Five questions, answered")
    return re.split(r"^\d\. ", text, flags=re.MULTILINE)[1:]


def test_each_of_the_five_questions_is_answered_with_at_most_two_files():
    assert len(answers()) == 5
    for answer in answers():
        assert 1 <= len(set(LINK.findall(answer))) <= 2, answer


def test_the_words_of_an_answer_are_in_the_files_that_it_names():
    for answer in answers():
        texts = "".join((ROOT / file).read_text() for file in LINK.findall(answer))
        quoted = [
            words for words in re.findall(r"(?<!\[)`([^`]+)`", answer) if not words.startswith(("tenure ", "test_"))
        ]
        assert [word for words in quoted for word in words.split() if word not in texts] == [], answer


def test_every_path_in_backticks_exists():
    for page in (ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for path in re.findall(
            r"`((?:engine|models|workers|schedules|tests)/[\w./]*)`", without_code(page.read_text())
        ):
            assert (ROOT / path).exists(), f"{page.name}: {path}"


def test_every_section_that_the_code_cites_stands_in_its_book():
    for path in CODE:
        text = " ".join(path.read_text().split())
        for book, number in re.findall(r"(contract|design)(?:\.md)?,? section (\d+)", text):
            assert any(heading.startswith(f"{number}. ") for heading in headings(ROOT / "docs" / f"{book}.md")), path
        for book, title in re.findall(r"(contract|design)\.md, ([A-Z]\w+)", text):
            assert any(heading.startswith(title) for heading in headings(ROOT / "docs" / f"{book}.md")), path


def test_the_rows_of_edges_decided_are_those_that_the_tests_name():
    path = next(iter((ROOT / "tests").rglob("test_rows.py")))
    named = (node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign))
    rows = next(ast.literal_eval(node.value) for node in named if ast.unparse(node.targets[0]) == "ROWS")
    decided = re.findall(r"^\| ([^|]+?) \| [^|]+ \|$", section("docs/design.md", "## Edges, decided"), re.MULTILINE)
    assert [row for row in rows if row not in decided] == []


def test_the_picture_of_the_rooms_has_every_room_in_its_order():
    picture = section("docs/architecture.md", "## Rooms")
    places = [picture.index(f'["{layer}"]') for layer in layers()]
    assert all(above < below for above, below in pairwise(places))
