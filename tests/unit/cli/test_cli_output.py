"""What commands print: one JSON object for programs whatever the values, whole lines for people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from ratchet.cli.output import Output, plain
from ratchet.cli.session import exit_codes
from ratchet.errors import ConflictError, RatchetError, SpecError

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=12,
)


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Record:
    name: str
    colour: Colour
    at: datetime
    where: Path


@given(ANYTHING)
def test_everything_becomes_json_that_a_strict_reader_takes(value):
    json.loads(json.dumps(plain(value)).encode("ascii"), parse_constant=lambda name: pytest.fail(name))


def test_records_become_objects():
    made = plain([Record("a", Colour.RED, datetime(2030, 1, 1, tzinfo=UTC), Path("x/y"))])
    assert made == [{"name": "a", "colour": "Colour.RED", "at": "2030-01-01 00:00:00+00:00", "where": "x/y"}]


def test_programs_find_the_result_alone_on_standard_output(capsys):
    output = Output(as_json=True)
    output.say("working")
    output.table("Title", ("a",), [(1,)])
    output.warn("beware")
    output.result({"a": 1})
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"a": 1}
    assert "working" in shown.err
    assert "beware" in shown.err


def test_people_see_no_json(capsys):
    output = Output(as_json=False)
    output.table("Title", ("name", "value"), [("a", None), ("[b]", 2)])
    output.result({"a": 1})
    shown = capsys.readouterr().out
    assert "Title" in shown
    assert "{" not in shown


@pytest.mark.parametrize("text", ["[/red]", "[link=http://x]y[/link]", "\x1b[2J", "a\rb", "\u202egnp"])
def test_text_from_elsewhere_neither_breaks_nor_steers_the_terminal(capsys, text):
    output = Output(as_json=False)
    output.table("Title", ("a",), [(text,)])
    output.say(text)
    output.warn(text)
    shown = capsys.readouterr()
    assert not {"\x1b", "\r", "\u202e"} & set(shown.out + shown.err)
    harmless = "".join(mark for mark in text if mark.isprintable())
    assert harmless in shown.out.splitlines()


def test_a_long_line_is_not_broken(capsys):
    line = "http://localhost:8080/" + "x" * 300
    Output(as_json=False).say(line)
    Output(as_json=False).warn(line)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == (line + "\n", line + "\n")


@pytest.mark.parametrize(("error", "actor"), [(SpecError("mend it"), "user"), (ConflictError("again"), "retry")])
def test_an_error_of_ours_is_exit_code_two_and_says_who_acts(capsys, error, actor):
    with pytest.raises(typer.Exit) as caught, exit_codes(Output(as_json=True)):
        raise error
    assert caught.value.exit_code == 2
    told = json.loads(capsys.readouterr().out)
    assert told == {"error": str(error), "kind": type(error).__name__, "actor": actor}


def test_a_defect_shows_its_trace():
    with pytest.raises(ZeroDivisionError), exit_codes(Output(as_json=True)):
        raise ZeroDivisionError


def test_an_interrupt_ends_as_shells_expect():
    with pytest.raises(typer.Exit) as caught, exit_codes(Output(as_json=False)):
        raise KeyboardInterrupt
    assert caught.value.exit_code == 130


def test_every_error_of_the_tree_has_an_actor():
    def tree(kind):
        return [kind, *(found for child in kind.__subclasses__() for found in tree(child))]

    assert [kind.__name__ for kind in tree(RatchetError) if not kind.actor.value] == []
