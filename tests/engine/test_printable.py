"""Characters that may harm a reader are found and escaped; every other stays as it is."""

import pytest

from engine.printable import RANGES, escaped, escaped_lines, is_printable

EDGES = sorted({end for pair in RANGES for end in pair} | {0xD800, 0xDFFF})
BESIDE = [0x20, 0x7E, 0xA0, 0xAC, 0xAE, 0x200A, 0x2010, 0x2027, 0x202F, 0x205F, 0x2070, 0xFDF0, 0xFFFA + 2]


@pytest.mark.parametrize("code", EDGES)
def test_the_first_and_the_last_of_each_range_are_harmful(code):
    assert not is_printable(f"a{chr(code)}b")
    assert chr(code) not in escaped(f"a{chr(code)}b")


@pytest.mark.parametrize("code", BESIDE)
def test_the_neighbours_of_the_ranges_are_not(code):
    assert is_printable(f"a{chr(code)}b")
    assert escaped(f"a{chr(code)}b") == f"a{chr(code)}b"


def test_a_harmful_character_reads_as_python_writes_it():
    assert escaped("a\u202eb\x1b[0m\n\ud800") == r"a\u202eb\x1b[0m\n\ud800"


def test_lines_stay_lines():
    assert escaped_lines("a\x00\nb") == "a\\x00\nb"
