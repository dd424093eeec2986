"""The rules' table with some of its words replaced, for tests that break the rules on purpose."""

from dataclasses import replace

from engine import machine
from engine.vocabulary import VOCABULARY


def rewrite(monkeypatch, **words):
    """Put functions in the place of words of the table, by name, and build the machine again."""
    assert set(words) <= set(VOCABULARY.words)
    rules = tuple(
        replace(rule, when=replaced(rule.when, words), then=replaced(rule.then, words)) for rule in machine.RULES
    )
    use(monkeypatch, rules)


def replaced(functions, words):
    return tuple(words.get(function.__name__, function) for function in functions)


def use(monkeypatch, rules):
    """Judge by another table."""
    monkeypatch.setattr(machine, "RULES", rules)
    monkeypatch.setattr(machine, "MACHINE", machine.build(rules))


def real(name):
    """The function that the table really names."""
    return VOCABULARY.words[name].function
