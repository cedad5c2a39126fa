"""What comes from data stays text, whatever it holds."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from ratchet.approval.markdown import escape, fence, link, table

hostile = st.text(st.sampled_from("|\\`*_[]()<>#!~{}$&@^ \n\r\tabc1.-=+:/\u202e\u0000\u2028"), max_size=40)


def is_bare(mark: str, text: str) -> bool:
    """Whether `mark` stands in `text` without an (odd number of) backslashes before it."""
    return re.search(r"(?<!\\)(?:\\\\)*" + re.escape(mark), text) is not None


@given(hostile | st.text(max_size=40))
def test_no_mark_with_a_meaning_is_left_bare(text):
    escaped = escape(text)
    assert escaped.isprintable()
    for mark in "|`*_[]<>#!~{}()$@^&":
        assert not is_bare(mark, escaped), mark
    assert not re.match(r"[-=+](\D|$)|\d+\.(\s|$)", escaped)


@given(hostile)
def test_nothing_of_jinja_survives(text):
    assert not re.search(r"\{\{|\{%|\{#", escape(text) + " " + fence(text))


@given(hostile)
def test_a_short_text_can_be_read_back(text):
    line = re.sub(r"\s+", " ", text).strip()
    expected = "".join(mark if mark.isprintable() else "\ufffd" for mark in line)
    assert re.sub(r"\\(.)", r"\1", escape(text)) == expected


def test_cuts_what_is_too_long():
    assert escape("a" * 500) == "a" * 199 + "…"


@given(st.lists(st.tuples(hostile, hostile), max_size=4))
def test_a_table_keeps_its_columns(rows):
    lines = table(("one", "two"), rows).split("\n")
    assert len(lines) == 2 + len(rows)
    for line in lines:
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 3


@given(st.text("`ab\n", max_size=30))
def test_nothing_closes_a_fence_from_inside(text):
    lines = fence(text).split("\n")
    bar = lines[0].removesuffix("text")
    assert lines[-1] == bar
    assert not any(line.strip().startswith(bar) for line in lines[1:-1])


def test_links_only_to_web_pages():
    assert link("report", "https://example.com/a b") == "[report](<https://example.com/a%20b>)"
    assert "](" not in link("report", "javascript:alert(1)")
    assert ")>" not in link("x", "https://example.com/>)<script>")[:-1]
