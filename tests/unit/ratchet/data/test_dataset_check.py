"""What is said against a dataset before money is spent on it."""

from __future__ import annotations

import pytest

from ratchet.data import ObjectEntry, check_manifest
from ratchet.data.manifest import make_manifest
from ratchet.spec import Data


def manifest(*keys: str, size: int = 10):
    objects = [ObjectEntry(key, "v", size, f"etag:{place}") for place, key in enumerate(keys)]
    return make_manifest("digits", "data", "datasets/digits/", objects=objects, at="")


def rules(*labels: str, **more) -> Data:
    return Data(dataset="digits", labels=labels, **more)


def test_finds_nothing_against_a_fit_dataset():
    assert check_manifest(manifest("0/a.png", "1/b.png"), rules("0", "1")) == []


def test_takes_any_classes_when_none_are_required():
    assert check_manifest(manifest("cat/a.png", "dog/b.png"), rules()) == []


@pytest.mark.parametrize(
    ("keys", "data", "rule", "example"),
    [
        (["0/a.png", "1/b.png", "c.png"], rules("0", "1"), "every image lies in a class folder", "c.png"),
        (["0/a.png", "1/b.png"], rules("0", "1", "2"), "every required class is there", "2"),
        (["0/a.png", "1/b.png", "x/c.png"], rules("0", "1"), "every class is known", "x"),
        (["0/a", "0/b", "1/c"], rules(min_images_per_class=2), "every class has enough images", "1 has 1"),
        (["0/a.png", "0/b.png"], rules(), "there are classes to tell apart", "0"),
    ],
)
def test_names_the_rule_and_an_example(keys, data, rule, example):
    (finding,) = check_manifest(manifest(*keys), data)
    assert finding.rule == rule
    assert finding.examples == (example,)


def test_names_empty_files():
    findings = check_manifest(manifest("0/a.png", "1/b.png", size=0), rules("0", "1"))
    assert [finding.examples for finding in findings] == [("0/a.png", "1/b.png")]


def test_allows_as_many_empty_files_as_may_be_unreadable():
    assert check_manifest(manifest("0/a.png", "1/b.png", size=0), rules("0", "1", max_unreadable_percent=100)) == []


def test_shows_a_few_examples_and_no_control_characters():
    findings = check_manifest(manifest("0/a", "1/b", *(f"evil\n{n}" for n in range(9))), rules("0", "1"))
    assert findings[0].found == "9 outside"
    assert len(findings[0].examples) == 5
    assert all(example.isprintable() for example in findings[0].examples)
