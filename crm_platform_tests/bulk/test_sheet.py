"""Files that people keep in spreadsheets: what is read, what is refused, and that everything wrong is told at once."""

from __future__ import annotations

import pytest

from crm_platform.bulk.sheet import number_in, read_sheet
from crm_platform.errors import FixConfiguration
from crm_platform.publish.csv_writer import write_csv

WANTED = ["whatsapp_number"]


def sheet(tmp_path, content: str | bytes, wanted=WANTED):
    file = tmp_path / "people.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_sheet(file, wanted=wanted)


def cells(tmp_path, content: str | bytes) -> list[tuple[int, ...]]:
    return [(row.line, *row.cells.values()) for row in sheet(tmp_path, content).rows]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_each_delimiter_line_end_and_mark_is_read(tmp_path, mark, delimiter, end):
    lines = [["whatsapp_number", " name "], ["1", "Zoë"], ["", ""], ["2", f'"a{delimiter}b"'], [], ["3", "c"]]
    text = mark + "".join(delimiter.join(line) + end for line in lines)
    assert cells(tmp_path, text) == [(2, "1", "Zoë"), (4, "2", f"a{delimiter}b"), (6, "3", "c")]
    assert sheet(tmp_path, text).columns == ("whatsapp_number", "name")


def test_a_row_stands_on_the_line_that_it_begins_on(tmp_path):
    text = 'whatsapp_number,name\n1,"two\nlines, ""quoted"""\n2,b\n'
    assert cells(tmp_path, text) == [(2, "1", 'two\nlines, "quoted"'), (4, "2", "b")]


def test_empty_columns_behind_the_last_one_are_passed_over(tmp_path):
    assert cells(tmp_path, "whatsapp_number;name;;\n1;a;;\n;;;\n2;b;\n") == [(2, "1", "a"), (4, "2", "b")]


def test_the_apostrophe_that_keeps_a_formula_from_running_is_taken_away(tmp_path):
    file = tmp_path / "people.csv"
    people = [["+254712345678", "=1+1"], ["1", "'t Hooft"], ["2", "-"]]
    with file.open("w", newline="") as out:
        write_csv(out, ["whatsapp_number", "name"], people)
    assert "'+254" in file.read_text()
    assert [list(row.cells.values()) for row in read_sheet(file, wanted=WANTED).rows] == people


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff\xfew\x00", "UTF-16; save it again as UTF-8"),
        ("whatsapp_number,name\n1,Zo\u00eb\n".encode("latin-1"), "line 2: it is not written in UTF-8; save it again"),
        (b"whatsapp_number\n\x00\n", "NUL"),
        (b"", "its first line names no column whatsapp_number"),
        (b"number,name\n1,a\n", "its first line names no column whatsapp_number"),
        (b"whatsapp_number,name,name\n", "names 'name' twice"),
    ],
)
def test_what_is_no_such_file_is_refused_with_what_to_do(tmp_path, content, told):
    with pytest.raises(FixConfiguration, match=told):
        sheet(tmp_path, content)


def test_rows_that_cannot_be_read_are_all_told(tmp_path):
    problems = sheet(tmp_path, 'whatsapp_number,name\n1\n2,b,c\n3,d\n4,"e"f\n5,g\n').problems
    assert [(one.line, str(one).partition(": ")[2][:12]) for one in problems] == [
        (2, "it has 1 val"),
        (3, "it has 3 val"),
        (5, "it cannot be"),
    ]


@pytest.mark.parametrize(
    "cell",
    ["+254712345678", "254712345678", "'+254712345678", "'254712345678", "+254 (0) 712-345 678", "00254712345678",
     "+254\u00a0712\u00a0345\u00a0678", "whatsapp:+254712345678"],
)  # fmt: skip
def test_one_number_in_many_spellings(cell):
    assert number_in(cell) == "+254712345678"


def test_a_mobile_number_of_mexico_is_taken_as_whatsapp_writes_it():
    assert number_in("+5215512345678") == "+5215512345678"


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("2.547E+11", "scientific notation"),
        ("2,54712E+11", "scientific notation"),
        ("254712345678.0", "fraction"),
        ("254712345678,00", "fraction"),
        ("0712345678", "country code"),
        ("712345678", "no country has such a number"),
        ("+999123456789", "no country has such a number"),
        ("+254", "country code"),
        ("", "country code"),
        ("Amina", "country code"),
        ("123456789012345678@lid", "country code"),
        ("٢٥٤٧١٢٣٤٥٦٧٨", "country code"),
    ],
)
def test_what_a_spreadsheet_has_spoilt_is_never_guessed(cell, told):
    with pytest.raises(ValueError, match=told):
        number_in(cell)
