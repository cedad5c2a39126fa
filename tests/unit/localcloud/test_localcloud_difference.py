"""The documentation lists every known difference from AWS, and tests hold localcloud to each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from localcloud.difference import list_for_docs, read_differences

_ROOT = Path(__file__).parents[3]


def test_the_documentation_lists_the_known_differences() -> None:
    page = (_ROOT / "docs" / "localcloud" / "conformance.md").read_text("utf-8")
    listed = page.partition("<!-- from localcloud/differences.toml -->\n")[2].partition("<!-- end -->")[0]
    assert listed == list_for_docs(read_differences())


def test_every_difference_is_asserted_by_a_test_and_every_marked_test_has_one() -> None:
    tests = "".join(file.read_text("utf-8") for file in (_ROOT / "tests" / "conformance" / "aws").glob("test_*.py"))
    marked = re.findall(r"mark\.difference\(\"([a-z0-9-]+)\"\)", tests)
    names = [difference.name for difference in read_differences()]
    assert sorted(names) == sorted(set(marked))
    assert len(names) == len(set(names))


def test_an_entry_without_a_reason_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "differences.toml"
    file.write_text('[[difference]]\nname = "a"\nservice = "s3"\nsentence = "b"\n')
    with pytest.raises(TypeError, match="reason"):
        read_differences(file)
