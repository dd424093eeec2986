"""Names in a download: whatever a customer calls a file, nobody who unpacks it is harmed."""

import json
import os
import zipfile
from urllib.parse import unquote, urlsplit

import pytest

from tests.hostile.test_copies import Stores
from workers.storage.zip_names import SafeNames, safe_part

HARMFUL = {
    "..\\..\\evil.bat": ".._.._evil.bat",
    "C:evil": "C_evil",
    "\\\\server\\share": "__server_share",
    "CON": "_CON",
    "con": "_con",
    "nul.txt": "_nul.txt",
    "Aux .tar.gz": "_Aux .tar.gz",
    "COM1": "_COM1",
    "lpt9.log": "_lpt9.log",
    "COM¹": "_COM¹",
    "CONIN$": "_CONIN$",
    "end.": "end_",
    "end. .": "end___",
    "...": "___",
    "space ": "space_",
    "tab\there": "tab_here",
    "new\nline": "new_line",
    "esc\x1b[31m": "esc_[31m",
    "nice\u202etxt.exe": "nice_txt.exe",
    "zero\u200bwidth": "zero_width",
    "line\u2028end": "line_end",
    'a<b>c:d"e|f?g*h': "a_b_c_d_e_f_g_h",
}


@pytest.mark.parametrize(("name", "stored"), HARMFUL.items(), ids=ascii)
def test_a_harmful_name_is_made_safe(name, stored):
    assert safe_part(name) == stored


@pytest.mark.parametrize(
    "name", ["a", "hé llo.txt", "日本語", "console", "nul1", "COM", "a.b", ".hidden", "👩\u200d💻"]
)
def test_a_harmless_name_stays(name):
    assert safe_part(name) == name


@pytest.mark.parametrize("names", [["a", "A"], ["é", "e\u0301"], ["a:", "a*", "a_"], ["ß", "SS"], ["a", "a~", "A"]])
def test_names_that_a_disk_could_take_for_one_stay_apart(names):
    unique = SafeNames()
    stored = [unique.stored(name) for name in names]
    seen = SafeNames()
    assert all(seen.stored(name) == name for name in stored)


def test_what_lies_in_a_folder_that_was_renamed_is_stored_there():
    names = SafeNames()
    folder = names.stored("A:")
    names.enter(folder)
    assert names.stored("A:/x") == "A_/x"
    assert names.stored("A_") == "A_~"
    assert names.stored("b") == "b"


def test_a_path_that_no_zip_can_hold_gets_a_short_one():
    names, path = SafeNames(), ""
    for _ in range(150):
        path += "n" * 240
        stored = names.stored(path)
        names.enter(stored)
        path += "/"
    assert stored.startswith("long-paths/")
    assert len(stored) < 32_000


def test_the_list_in_the_download_has_each_original_and_the_zip_only_safe_names(tmp_path):
    stores = Stores(tmp_path / "data")
    for name in HARMFUL:
        (stores.live / "attachments" / name).write_text(ascii(name))
    (stores.live / "attachments" / os.fsdecode(b"no\xffutf8")).touch()
    built = stores.build()
    with zipfile.ZipFile(unquote(urlsplit(built.url).path)) as file:
        assert file.testzip() is None
        lines = [json.loads(line) for line in file.read("tenure-manifest.jsonl").splitlines()][1:]
        originals = {line["original"]: line["path"] for line in lines if "original" in line}
        names = file.namelist()
        for name in HARMFUL:
            assert file.read(originals[f"attachments/{name}"]).decode() == ascii(name)
    assert "attachments/no%FFutf8" in names
    assert len({name.casefold() for name in names}) == len(names)
    for part in (part for name in names for part in name.rstrip("/").split("/")):
        assert safe_part(part) == part
