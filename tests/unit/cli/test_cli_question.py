"""What `ratchet predict` makes of rows and texts."""

from __future__ import annotations

import json

import pytest

from ratchet.cli.predict import about_csv, read_question
from ratchet.errors import NotFoundError, SpecError


def test_csv_with_names_becomes_columns_and_without_becomes_rows():
    assert about_csv("a,kind\n1,x\n2.5,y\n").event == {"columns": {"a": [1.0, 2.5], "kind": ["x", "y"]}}
    assert about_csv("1,2\n\n3,4").event == {"rows": [[1.0, 2.0], [3.0, 4.0]]}


def test_what_is_no_number_is_left_to_the_model_to_refuse():
    assert json.loads(about_csv("1,nan").body) == {"rows": [[1.0, "nan"]]}


def test_both_targets_are_asked_the_same():
    question = read_question(None, "", "Servus")
    assert json.loads(question.body) == question.event == {"texts": ["Servus"]}


def test_a_file_is_read_by_its_name(tmp_path):
    for name, content, event in (
        ("a.csv", "1,2", {"rows": [[1.0, 2.0]]}),
        ("a.txt", "Servus", {"texts": ["Servus"]}),
        ("a.png", "x", {"dataurl": "eA=="}),
    ):
        (tmp_path / name).write_text(content)
        assert read_question(tmp_path / name, "", "").event == event


def test_what_cannot_be_asked_about_is_refused(tmp_path):
    (tmp_path / "bad.txt").write_bytes(b"\xff")
    for given in ((None, "", ""), (tmp_path, "1", ""), (tmp_path / "bad.txt", "", ""), (None, "\n", "")):
        with pytest.raises(SpecError):
            read_question(*given)
    with pytest.raises(NotFoundError):
        read_question(tmp_path / "none.csv", "", "")
