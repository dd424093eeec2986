"""An address is found in whatever spelling a text writes it, and what is no address is left alone."""

import pytest

from engine.spelling import has_at_sign, names, plain

ADDRESS = "owner@acme.example"
SPELLINGS = {
    "itself": "Owner@ACME.example",
    "full width": "owner\uff20acme\uff0eexample",
    "in a URL": "owner%40acme.example",
    "in a URL in a URL": "owner%2540acme.example",
    "in JSON": r"owner\u0040acme.example",
    "in JSON in JSON": r"owner\\u0040acme.example",
    "in a repr": r"owner\x40acme.example",
    "in HTML": "owner&#64;acme.example",
    "in HTML, by name": "owner&commat;acme.example",
    "in quoted-printable": "owner=40acme.example",
    "broken over two lines": "owner@ac=\r\nme.example",
    "an encoded word in Base64": "=?utf-8?B?b3duZXJAYWNtZS5leGFtcGxl?=",
    "an encoded word in Base64 without its padding": "=?utf-8?b?b3duZXJAYWNtZS5leGFtcGxlIA?=",
    "an encoded word in Q": "=?utf-8?q?owner=40acme.example?=",
    "two encoded words": "=?utf-8?q?owner=40ac?= =?utf-8?q?me.example?=",
    "with invisible characters": "ow\u200bner@ac\u00adme.example",
}


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS)
def test_each_spelling_names_the_address(text):
    assert has_at_sign(text)
    assert names(f"to {text} at noon", {ADDRESS})


@pytest.mark.parametrize("text", ["", "no address", "1 = 1", "100 %", r"C:\temp", "grüße", "a=b&c=d"])
def test_a_text_without_an_address_names_none(text):
    assert not names(text, {ADDRESS})


def test_a_text_with_another_address_does_not_name_this_one():
    assert not names("other@acme.example", {ADDRESS})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("no sign", False),
        ("a = b", False),
        ("a =40 b", True),
        ("a =? b", True),
        ("a =EF=BC=A0 b", True),
        ("grüße", False),
        ("grüße&#64;", True),
    ],
)
def test_an_at_sign_is_seen_in_each_of_its_forms(text, found):
    assert has_at_sign(text) is found


def test_domains_are_compared_in_unicode_and_case_does_not_count():
    assert plain("a@xn--mnchen-3ya.example") == plain("a@MÜNCHEN.example") == "a@münchen.example"


def test_a_label_that_is_no_punycode_stays_as_it_is():
    assert plain("XN--99999999999") == "xn--99999999999"


def test_an_encoded_word_of_an_unknown_character_set_is_read_as_bytes_if_it_has_any_and_else_stays():
    assert plain("=?no-such-set?q?a=40b?=") == "a@b"
    assert plain("=?no-such-set?b?YUBi?=") == "=?no-such-set?b?yubi?="


def test_an_encoded_word_whose_base_64_is_damaged_stays():
    assert plain("=?utf-8?b?YUBiY?=") == "=?utf-8?b?yubiy?="


def test_bytes_that_are_no_utf_8_are_read_as_latin_1():
    assert plain("m%FCller%40acme.example") == "müller@acme.example"


def test_what_is_encoded_deeper_than_four_times_is_left_encoded():
    assert plain("%25252540") == "@"
    assert plain("%2525252540") == "%40"


def test_ascii_without_escapes_is_only_lowered_and_other_letters_are_composed():
    assert plain("Plain TEXT") == "plain text"
    assert plain("E\u0301tage \ufb01n") == "étage fin"
