"""What the queue's messages say, and what becomes of each: rules that hold for whatever anybody sends."""

from __future__ import annotations

import json
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.data.arrival import (
    Arrival,
    Fate,
    Letter,
    Listeners,
    Memory,
    decide_fate,
    gather,
    read_letter,
)

BUCKET = "ratchet-data"
BOTH = Listeners({"digits": frozenset({"digits", "digits-nightly"}), "cats": frozenset({"cats"})})


def record(key, *, bucket=BUCKET, version="v1", sequencer="0A", **more):
    told = {"key": quote_plus(key, safe="/"), "versionId": version, "sequencer": sequencer} | more
    return {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": told}}


def body(*keys, **more):
    return json.dumps({"Records": [record(key, **more) for key in keys]})


def arrival(key="0/a.png", dataset="digits", sequencer="0A"):
    full = f"datasets/{dataset}/{key}"
    return Arrival(dataset, full, (BUCKET, full, "v1", sequencer))


@pytest.mark.parametrize(
    ("key", "dataset"),
    [
        ("datasets/digits/0/a+b c.png", "digits"),
        ("datasets/digits/0/a%2Bb.png", "digits"),
        ("datasets/digits/größe/日本.png", "digits"),
        ("datasets/digits/" + "x" * 1000, "digits"),
        ("datasets/a b/0/x.png", "a b"),
        ("datasets/digits/_SUCCESS", "digits"),
    ],
)
def test_reads_keys_as_s3_writes_them(key, dataset):
    (found,) = read_letter(body(key), BUCKET).arrivals
    assert (found.dataset, found.key, found.identity) == (dataset, key, (BUCKET, key, "v1", "0A"))


@pytest.mark.parametrize("key", ["models/digits/1/a", "datasets/digits", "xdatasets/digits/0/a", "", "/"])
def test_an_object_of_no_dataset_says_nothing_and_is_no_mistake(key):
    assert read_letter(body(key), BUCKET) == Letter()


def test_s3_s_own_test_says_nothing():
    text = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET})
    assert read_letter(text, BUCKET) == Letter()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "7",
        '"text"',
        "{}",
        '{"Records": null}',
        '{"Records": []}',
        '{"Records": {"s3": 1}}',
        '{"Records": [null]}',
        '{"Records": [{"s3": {"bucket": {"name": "ratchet-data"}, "object": {"key": 5}}}]}',
        '{"Records": [{"s3": {"bucket": null, "object": {"key": "datasets/digits/0/a"}}}]}',
        '{"Records": [{"s3": []}]}',
        "[" * 100_000,
        '{"Records":' * 50_000,
        "9" * 10_000,
        "x" * 1_000_000,
    ],
)
def test_what_cannot_be_read_is_refused_with_a_short_reason(text):
    letter = read_letter(text, BUCKET)
    assert letter.arrivals == ()
    assert 0 < len(letter.refusal) < 300


def test_another_bucket_s_event_is_refused_with_both_names():
    letter = read_letter(body("datasets/digits/0/a.png", bucket="else"), BUCKET)
    assert letter == Letter(refusal="it tells of the bucket 'else', this stack's data lies in ratchet-data")


def test_one_bad_record_takes_no_good_one_with_it():
    text = json.dumps({"Records": [record("datasets/digits/0/a.png"), {"s3": 5}, record("datasets/cats/0/b.png")]})
    letter = read_letter(text, BUCKET)
    assert [found.dataset for found in letter.arrivals] == ["digits", "cats"]
    assert letter.refusal == "a record names no bucket and key"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["Records", "s3", "object", "key", "bucket", "name"]) | st.text(), inner)
        | st.fixed_dictionaries({"Records": st.lists(st.fixed_dictionaries({"s3": inner}))})
        | st.fixed_dictionaries({"bucket": st.just({"name": BUCKET}), "object": inner})
    ),
    max_leaves=10,
)


@given(st.text() | JSON.map(json.dumps))
def test_no_body_at_all_makes_it_raise(text):
    letter = read_letter(text, BUCKET)
    assert isinstance(letter.refusal, str)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1), st.text())
def test_every_key_under_a_dataset_is_that_dataset_s(dataset, name):
    rest = name.encode("utf-8", "ignore").decode()
    (found,) = read_letter(body(f"datasets/{dataset}/{rest}"), BUCKET).arrivals
    assert (found.dataset, found.key) == (dataset, f"datasets/{dataset}/{rest}")


def test_every_pipeline_of_a_dataset_is_told_once_however_often_s3_tells():
    told = gather([arrival(), arrival(), arrival("0/b.png"), arrival(dataset="cats")], BOTH, Memory())
    assert {name: wake.events for name, wake in told.items()} == {"digits": 2, "digits-nightly": 2, "cats": 1}
    assert told["cats"].keys == ("datasets/cats/0/a.png",)


def test_a_new_event_about_the_same_object_is_no_double():
    told = gather([arrival(sequencer="0A"), arrival(sequencer="0B")], BOTH, Memory())
    assert told["digits"].events == 2


def test_what_one_pipeline_has_stored_is_told_to_the_others_only():
    memory = Memory()
    memory.note(arrival(), {"digits"})
    assert set(gather([arrival()], BOTH, memory)) == {"digits-nightly"}


def test_an_event_without_a_sequencer_is_never_taken_for_a_double():
    blank = Arrival("cats", "datasets/cats/0/a.png", None)
    memory = Memory()
    memory.note(blank, {"cats"})
    assert gather([blank, blank], BOTH, memory)["cats"].events == 2


def test_the_memory_is_bounded_and_forgets_the_oldest():
    memory = Memory(limit=2)
    for key in "abc":
        memory.note(arrival(key), {"digits"})
    assert memory.missing(arrival("a"), frozenset({"digits"})) == {"digits"}
    assert memory.missing(arrival("c"), frozenset({"digits"})) == frozenset()


def fate(letter, *, is_old=False, taken=(), listeners=BOTH):
    return decide_fate(letter, is_old=is_old, listeners=listeners, memory=Memory(), taken=frozenset(taken))


def test_a_message_is_done_with_when_every_pipeline_has_stored_it():
    letter = Letter((arrival(),))
    assert fate(letter, taken={"digits"}) is Fate.GIVE_BACK
    assert fate(letter, taken={"digits", "digits-nightly"}) is Fate.DELETE


def test_nobody_waits_for_a_paused_pipeline_for_ever():
    letter = Letter((arrival(dataset="cats"),))
    assert fate(letter, is_old=False) is Fate.GIVE_BACK
    assert fate(letter, is_old=True) is Fate.GIVE_UP


def test_an_event_of_a_dataset_without_a_pipeline_goes_unless_a_file_could_not_be_read():
    letter = Letter((arrival(dataset="dogs"),))
    assert fate(letter) is Fate.DELETE
    assert fate(letter, listeners=Listeners(BOTH.by_dataset, complete=False)) is Fate.GIVE_BACK


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3)), max_size=30), st.randoms())
def test_doubles_in_any_order_leave_each_event_told_exactly_once(events, shuffler):
    copies = [arrival(str(number)) for number, times in events for _ in range(times)]
    shuffler.shuffle(copies)
    memory, told = Memory(), 0
    for one in copies:
        wakes = gather([one], BOTH, memory)
        told += wakes["digits"].events if "digits" in wakes else 0
        memory.note(one, {"digits", "digits-nightly"})
    assert told == len({number for number, _ in events})
