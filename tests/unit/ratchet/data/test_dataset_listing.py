"""What one look at a prefix tells about its changes, from pages as S3 writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ratchet.data.listing import observe

START = datetime(2030, 1, 1, tzinfo=UTC)


def version(key, seconds, **more):
    at = START + timedelta(seconds=seconds)
    return {"Key": f"datasets/digits/{key}", "LastModified": at, "IsLatest": True, "Size": 1, "ETag": '"e"'} | more


def deletion(key, seconds):
    marker = version(key, seconds)
    del marker["Size"]
    return marker


class ListedPages:
    """A door to an S3 that answers with these pages, on Tuesday the first of January 2030."""

    def __init__(self, *pages):
        header = {"ResponseMetadata": {"HTTPHeaders": {"date": "Tue, 01 Jan 2030 00:10:00 GMT"}}}
        self.pages = [page | header for page in pages]

    def client(self, service):
        return self

    def get_paginator(self, operation):
        return self

    def paginate(self, **request):
        return self.pages


def look(*pages):
    return observe(ListedPages(*pages), "data", "digits")


def at(seconds):
    return START + timedelta(seconds=seconds)


def test_the_newest_object_of_all_pages_counts():
    seen = look({"Versions": [version("0/a", 5)]}, {"Versions": [version("0/b", 9), version("0/c", 7)]})
    assert seen.newest_change == at(9)


def test_a_deletion_is_a_change():
    assert look({"Versions": [version("0/a", 5)], "DeleteMarkers": [deletion("0/b", 8)]}).newest_change == at(8)


def test_an_older_version_that_a_deletion_brought_back_is_no_news_but_the_newest_time_stands():
    seen = look({"Versions": [version("0/a", 5), version("0/a", 9, IsLatest=False)]})
    assert seen.newest_change == at(9)


def test_a_marker_is_told_apart_from_data():
    seen = look({"Versions": [version("0/a", 5), version("_SUCCESS", 8)]})
    assert (seen.newest_change, seen.marker_at) == (at(5), at(8))


def test_a_marker_that_was_deleted_or_overwritten_does_not_count():
    old = version("_SUCCESS", 8, IsLatest=False)
    seen = look({"Versions": [version("0/a", 5), old], "DeleteMarkers": [deletion("_SUCCESS", 9)]})
    assert (seen.newest_change, seen.marker_at) == (at(5), None)


def test_hidden_files_are_no_change():
    assert look({"Versions": [version("0/.part", 5)]}).newest_change is None


def test_takes_the_time_from_s3_itself():
    assert look({"Versions": []}).observed_at == at(600)


def test_nothing_there_is_no_change():
    seen = look({})
    assert (seen.newest_change, seen.marker_at) == (None, None)
