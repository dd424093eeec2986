from tests.picture import PICTURE, life, text_of, text_of_lines
from tests.readme import PAGES, PART, fresh, made


def test_the_readme_and_the_books_are_what_the_code_makes_them():
    parts = made()
    pages = {page: page.read_text() for page in PAGES}

    assert {part[1] for text in pages.values() for part in PART.findall(text)} == set(parts)
    for page, text in pages.items():
        assert text == fresh(text, parts), f"{page.name}: run `python -m tests.readme`"


def test_the_picture_shows_the_life_that_the_code_lives():
    shown = text_of(PICTURE.read_text())

    assert len(shown) > 30
    assert shown == text_of_lines(life()), "run `python -m tests.picture`"
