"""Letters in the operator's words and as pages, through the whole engine."""

from dataclasses import replace

from workers.effects.letters import TEXTS


def in_own_words(world, folder):
    world.context.__dict__["settings"] = replace(world.context.settings, letters_dir=folder)


def test_customers_get_the_operators_words_and_a_page_until_the_last_letter(world, tmp_path):
    folder = tmp_path / "letters"
    folder.mkdir()
    text = "Bonjour {site}\n{email} a {agents_allowed}, {trial_ends_at}\n"
    (folder / "welcome.txt").write_text(text)
    (folder / "deleted.txt").write_text((TEXTS / "deleted.txt").read_text().replace("Hello,", "Adieu,"))
    (folder / "layout.html").write_text((TEXTS / "layout.html").read_text())
    in_own_words(world, folder)
    world.start_trial()
    first = world.mails()[0]
    assert first["Subject"] == "Bonjour acme.example.com"
    assert first.get_body(("plain",)).get_content().startswith("owner@acme.example.com a 5 agents,")
    page = first.get_body(("html",)).get_content()
    assert '<a href="mailto:owner@acme.example.com">owner@acme.example.com</a> a 5 agents,' in page
    world.send("cancel")
    world.advance(days=15)
    assert world.state() == "deleted"
    assert world.mails()[-1].get_body(("plain",)).get_content().startswith("Adieu,")
