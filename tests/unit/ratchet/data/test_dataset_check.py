"""What is said against a dataset before money is spent on it."""

from __future__ import annotations

import pytest

from ratchet.data import ObjectEntry, check_manifest
from ratchet.data.manifest import make_manifest
from ratchet.dataset_spec import Data


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
        (["0/a.png", "1/b.png", "c.png"], rules("0", "1"), "every file lies in a class folder", "c.png"),
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


@pytest.mark.parametrize(
    ("checks", "rule", "found", "allowed"),
    [
        ({"count_change_percent": {"max": 20}}, "the number of objects", "+100.0 % (2 to 4)", "at most 20 %"),
        (
            {"size_change_percent": {"min": 5, "max": 50}},
            "the size",
            "+100.0 % (20 to 40)",
            "at least 5 and at most 50 %",
        ),
    ],
)
def test_a_change_out_of_bounds_is_told_with_both_sides(checks, rule, found, allowed):
    old, new = manifest("0/a", "1/b"), manifest("0/a", "0/c", "1/b", "1/d")
    (finding,) = check_manifest(new, rules("0", "1", checks=checks), old)
    assert (finding.rule, finding.found, finding.allowed) == (f"{rule} changes within bounds", found, allowed)
    assert check_manifest(new, rules("0", "1", checks=checks)) == []


def test_the_same_bytes_under_two_labels_are_told_when_somebody_asks():
    objects = [ObjectEntry(key, "v", 9, checksum) for key, checksum in [("0/a", "s:1"), ("0/b", "s:1"), ("1/c", "s:1")]]
    found = make_manifest("digits", "data", "datasets/digits/", objects=objects, at="")
    assert check_manifest(found, rules("0", "1")) == []
    (finding,) = check_manifest(found, rules("0", "1", checks={"max_duplicates_across_labels": 0}))
    assert (finding.found, finding.allowed, finding.examples) == ("1 duplicates", "at most 0", ("1/c is also under 0",))
    assert check_manifest(found, rules("0", "1", checks={"max_duplicates_across_labels": 1})) == []


def test_objects_of_another_format_are_told():
    (finding,) = check_manifest(manifest("a.csv", "b.CSV", "notes.txt"), rules(format="csv"))
    assert (finding.found, finding.allowed, finding.examples) == ("1 others", "<file>.csv", ("notes.txt",))
