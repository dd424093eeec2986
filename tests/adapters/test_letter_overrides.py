"""Letters in the operator's words: what a folder may say, what is refused at the start, and the HTML part."""

import re

import pytest

from tests.adapters.test_letters import GIVEN, SITE
from workers.adapters.mailer import Mail, message
from workers.base.settings import SettingsError, load
from workers.effects.letter_html import Block, blocks, layout_of
from workers.effects.letter_overrides import Wording, wording_of
from workers.effects.letters import KINDS, TEXTS, letter
from workers.supervisor import up

WELCOME = "Hi {site}\nUntil {trial_ends_at}: {agents_allowed}, as {email}.\n[plan_agents]Then {plan_agents}.\n"
SHIPPED = {kind: (TEXTS / f"{kind}.txt").read_text() for kind in KINDS}
LAYOUT = (TEXTS / "layout.html").read_text()


def folder(tmp_path, **texts):
    for name, text in texts.items():
        path = tmp_path / (name if "." in name else f"{name}.txt")
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return tmp_path


def refused(tmp_path, **texts):
    with pytest.raises(SettingsError) as error:
        wording_of(folder(tmp_path, **texts))
    assert str(tmp_path) in str(error.value)
    return str(error.value)


def test_without_a_folder_the_shipped_letters_are_sent():
    assert wording_of(None) == Wording()


def test_a_letter_of_the_folder_takes_the_place_of_the_shipped_one(tmp_path):
    own = wording_of(folder(tmp_path, welcome=WELCOME)).texts
    found = letter("welcome", {**SITE, **GIVEN["welcome"]}, own)
    assert found.subject == "Hi acme.example.com"
    assert found.body == "Until Sunday 25 January 2026, 09:30 UTC: 5 agents, as\nowner@acme.example.\n"
    assert letter("trial_ending", {**SITE, **GIVEN["trial_ending"]}, own).subject.startswith("Your free trial")


@pytest.mark.parametrize("kind", KINDS)
def test_every_shipped_letter_may_be_copied_and_then_changed(tmp_path, kind):
    own = wording_of(folder(tmp_path, **{kind: SHIPPED[kind]})).texts
    facts = {**SITE, **GIVEN[kind]}
    assert letter(kind, facts, own) == letter(kind, facts)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (WELCOME.replace("{email}", "{emial}"), r"line 2: \{emial\} is no fact of this letter: use one of .*email"),
        (
            WELCOME.replace("[plan_agents]", ""),
            r"line 3: \{plan_agents\} may be unknown: begin the line with \[plan_ag",
        ),
        (WELCOME.replace("[plan_agents]", "[!plan_agents]"), r"line 3: \{plan_agents\} may be unknown"),
        (WELCOME.replace("[plan_agents]", "[plan]"), r"line 3: \[plan\] is no fact of this letter"),
        (WELCOME.replace("{email}", "you"), r"does not say \{email\}: every customer is told that"),
        (WELCOME.replace("{email}", "{email"), r"line 2: a brace stands alone"),
        (WELCOME.replace("Until", "Until\x07"), r"line 2: it has a control"),
        (f"[plan_agents]{WELCOME}", r"line 1: the subject has no conditions"),
        ("Hi {site}\n", r"needs a subject in its first line, and a body"),
        (f"\n{WELCOME}", r"needs a subject"),
        (b"\xff\xfe", r"can't be read .*UTF-8"),
        (WELCOME + "x" * 70_000, r"bytes: a letter has 65536 at most"),
    ],
)
def test_what_could_not_be_written_for_every_customer_is_refused_at_the_start(tmp_path, text, error):
    assert re.search(error, refused(tmp_path, welcome=text))


def test_a_fact_that_older_versions_did_not_give_needs_its_own_mark(tmp_path):
    text = SHIPPED["download_ready"].replace("[?left_out_1]", "[left_out_1]")
    assert "[left_out_1] is not always given: write [?left_out_1]" in refused(tmp_path, download_ready=text)


@pytest.mark.parametrize("name", ["hello.txt", "welcome.md", "Welcome.txt"])
def test_a_file_that_is_no_letter_is_named(tmp_path, name):
    assert f"{name} is no letter: remove it" in refused(tmp_path, **{name: WELCOME})


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"TENURE_LETTERS_DIR='.*gone' is no folder: make it"):
        wording_of(tmp_path / "gone")


@pytest.mark.parametrize(
    ("page", "error"),
    [
        ("<p>{{ subject }}</p>", "does not show the letter"),
        ("{% for block in blocks %}{{ block.text | safe }}{% endfor %}", "does not show the letter"),
        ("{% for block in blocks %}", "is no layout: .*line 1"),
        ("{{ site }}", "is no layout: 'site' is undefined.* it may use subject and blocks"),
        ("{{ blocks.__class__.__mro__ }}", "is no layout"),
        ("{{ 1 / 0 }}", "is no layout: ZeroDivisionError"),
    ],
)
def test_a_layout_that_does_not_work_is_refused_at_the_start(tmp_path, page, error):
    assert re.search(error, refused(tmp_path, **{"layout.html": page}))


def test_the_html_part_says_what_the_text_says_and_nothing_is_markup(tmp_path):
    layout = wording_of(folder(tmp_path, **{"layout.html": LAYOUT})).layout
    found = letter("receipt", {**SITE, **GIVEN["receipt"], "arithmetic": "<b>9</b> & more"})
    page = layout.html(found.subject, found.body)
    assert "&lt;b&gt;9&lt;/b&gt; &amp; more" in page
    assert '<a href="https://acme.example.com"' in page
    shown = re.sub(r"<style.*?</style>|<[^>]+>", " ", page.partition("</head>")[2])
    for line in found.body.splitlines():
        words = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").split()
        assert " ".join(words).replace(" .", ".") in " ".join(shown.split()).replace(" .", ".")


def test_a_plain_text_is_read_as_paragraphs_and_tables():
    text = "Hello,\n\none\ntwo\n\n  a:  1\n  b:  2\n"
    assert list(blocks(text)) == [Block("Hello,", False), Block("one two", False), Block("a:  1\nb:  2", True)]


def test_a_mail_with_html_has_the_text_first():
    page = layout_of(LAYOUT).html("Grüße", "Hello\n")
    built = message(Mail("key", "a@b.example", "Grüße", "Hello\n", SITE["trial_ends_at"], page), "c@d.example")
    assert [part.get_content_type() for part in built.iter_parts()] == ["text/plain", "text/html"]
    assert built.get_body(("html",)).get_content().replace("\r\n", "\n").strip() == page.strip()
    assert built.get_body(("plain",)).get_content() == "Hello\n"


def test_a_wrong_letter_stops_the_start(tmp_path, monkeypatch, capsys):
    letters = tmp_path / "letters"
    letters.mkdir()
    folder(letters, welcome="Hi\n{nobody}\n")
    settings = up_settings(tmp_path, letters)
    assert up.run(settings) == 1
    assert "welcome.txt, line 2: {nobody} is no fact of this letter" in capsys.readouterr().err


def up_settings(tmp_path, letters):
    return load({"TENURE_DATA_DIR": str(tmp_path / "data"), "TENURE_LETTERS_DIR": str(letters)})
