"""A listing by many at once sees every key once, in order, wherever it is cut."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from version_list import VersionList

from ratchet.data.listing import list_current
from ratchet.data.split import choose_cut
from ratchet.errors import UnavailableError

letters = st.characters(exclude_categories=["Cs"])
keys = st.text(letters, min_size=1, max_size=6).filter(lambda key: not key.rpartition("/")[2].startswith(("_", ".")))
versions = st.tuples(st.integers(1, 4), st.booleans())


def names(world: VersionList) -> list[str]:
    with list_current(world, "data", "digits") as listed:
        return [one.key for one in listed]


def living(keys: dict[str, tuple[int, bool]]) -> list[str]:
    return sorted(key for key, (_, deleted) in keys.items() if not deleted)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(keys, versions, max_size=40), st.integers(1, 7))
def test_every_key_comes_once_and_in_order(found, page):
    assert names(VersionList(found, page=page)) == living(found)


class Patient(VersionList):
    """Answers who goes on page by page only once somebody has looked behind a cut."""

    def __init__(self, keys: dict[str, tuple[int, bool]], *, page: int) -> None:
        super().__init__(keys, page=page)
        self.looked = threading.Event()

    def list_object_versions(self, **request):
        if request.get("VersionIdMarker"):
            assert self.looked.wait(10), "nothing was cut"
        elif request.get("KeyMarker"):
            self.looked.set()
        return super().list_object_versions(**request)


@pytest.mark.parametrize("page", [1, 2])
@pytest.mark.parametrize("name", ["one/{:06d}.png", "{0}/img-{0:05d}.png", "{:x}-hash", "deep/er/{:d}/still/x"])
def test_names_of_every_fashion_are_cut_somewhere(name, page):
    found = {name.format(number * 7919 % 4096 if "x}" in name else number): (1, False) for number in range(400)}
    assert names(Patient(found, page=page)) == living(found)


def test_a_small_dataset_is_one_question():
    world = VersionList({"0/a": (1, False), "1/b": (1, False)})
    assert names(world) == ["0/a", "1/b"]
    assert len(world.calls) == 1


def test_a_page_that_fails_ends_the_listing():
    class Failing(VersionList):
        def list_object_versions(self, **request):
            from botocore.exceptions import ClientError

            if request.get("KeyMarker", "") > "datasets/digits/2":
                raise ClientError({"Error": {"Code": "SlowDown"}}, "ListObjectVersions")
            return super().list_object_versions(**request)

    world = Failing({f"{n}/{m}": (1, False) for n in range(4) for m in range(9)})
    with pytest.raises(UnavailableError, match="SlowDown"):
        names(world)


texts = st.text(letters, min_size=1, max_size=8)


@given(st.lists(texts, min_size=2, max_size=2).map(sorted), st.none() | texts)
def test_a_cut_lies_behind_what_was_read_and_before_the_end(page, until):
    cut = choose_cut(page[0], page[1], until)
    assert cut is None or (cut > page[1] and (until is None or cut < until))
    if cut is not None:
        cut.encode("utf-8")


def test_numbered_names_are_cut_where_they_will_go_on():
    assert choose_cut("a/img-000000", "a/img-000999", None) == "a/img-5"
    assert choose_cut("a/img-000000", "a/img-000999", "a/img-5") == "a/img-2"
    assert choose_cut("a/img-000000", "a/img-000999", "a/img-1") == "a/img-05"
