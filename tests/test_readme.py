from tests.readme import PART, README, fresh, made


def test_the_readme_is_what_the_code_makes_it():
    text = README.read_text()

    assert {found[1] for found in PART.findall(text)} == set(made())
    assert text == fresh(text), "run `python -m tests.readme`"
