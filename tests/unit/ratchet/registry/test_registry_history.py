"""The history is a chain: whatever is changed, dropped, swapped, doubled or cut off is found, and where."""

from __future__ import annotations

import json

from hypothesis import assume, given
from hypothesis import strategies as st

from ratchet.naming import event_sk
from ratchet.registry.history import (
    EventKind,
    Happening,
    Head,
    chain,
    event_item,
    head_item,
    read_event,
    read_head,
    verify_chain,
)

details = st.dictionaries(st.text("abc", min_size=1), st.none() | st.integers() | st.floats() | st.text(), max_size=3)
happenings = st.builds(
    Happening,
    kind=st.sampled_from(EventKind),
    actor=st.text(max_size=8),
    version=st.integers(1, 9),
    at=st.sampled_from(["2030-01-01T00:00:00.000Z", "2029-01-01T00:00:00.000Z", "2031-01-01T00:00:00.000Z"]),
    detail=details,
)


def write_history(told):
    head, items = Head(), []
    for happening in told:
        event = chain(head, happening)
        items.append(event_item("digits", event))
        head = read_head(head_item("digits", head, event, happening.version))
    return items, head


histories = st.lists(happenings, min_size=2, max_size=8).map(write_history)


@given(histories)
def test_an_untouched_history_is_intact(history):
    items, head = history
    report = verify_chain(items, head)
    assert (report.intact, report.events) == (True, len(items))


@given(histories, st.data())
def test_finds_any_change_of_a_body(history, data):
    items, head = history
    place = data.draw(st.integers(0, len(items) - 1))
    body = items[place]["body"]
    at = data.draw(st.integers(0, len(body) - 1))
    mark = data.draw(st.characters(exclude_categories=["Cs"]))
    assume(mark != body[at])
    items[place] = {**items[place], "body": body[:at] + mark + body[at + 1 :]}
    report = verify_chain(items, head)
    assert (report.intact, report.first_bad) == (False, place + 1)


@given(histories, st.data())
def test_finds_an_event_that_was_written_anew_with_a_fitting_hash(history, data):
    items, head = history
    place = data.draw(st.integers(0, len(items) - 1))
    event = read_event(items[place])
    before = Head(sequence=place, hash=event.previous_hash, at="")
    forged = chain(before, Happening(event.kind, event.actor + "x", event.version, event.at, event.detail))
    items[place] = event_item("digits", forged)
    assert not verify_chain(items, head).intact


@given(histories, st.data())
def test_finds_a_removed_event(history, data):
    items, head = history
    place = data.draw(st.integers(0, len(items) - 1))
    report = verify_chain(items[:place] + items[place + 1 :], head)
    assert (report.intact, report.first_bad) == (False, place + 1)


@given(histories, st.data())
def test_finds_two_events_that_changed_places(history, data):
    items, head = history
    one, other = sorted(data.draw(st.lists(st.integers(0, len(items) - 1), min_size=2, max_size=2, unique=True)))
    first, second = items[one], items[other]
    items[one], items[other] = {**second, "sk": first["sk"]}, {**first, "sk": second["sk"]}
    report = verify_chain(items, head)
    assert (report.intact, report.first_bad) == (False, one + 1)


@given(histories, st.data())
def test_finds_an_event_that_was_told_twice(history, data):
    items, head = history
    place = data.draw(st.integers(0, len(items) - 1))
    items.insert(place, items[place])
    assert not verify_chain(items, head).intact


@given(histories)
def test_finds_an_event_behind_the_end(history):
    items, head = history
    body = json.loads(items[-1]["body"])
    extra = chain(
        Head(sequence=head.sequence, hash=head.hash, at=head.at), Happening(EventKind.MOVED, "x", 1, body["at"])
    )
    report = verify_chain([*items, event_item("digits", extra)], head)
    assert (report.intact, report.first_bad) == (False, head.sequence + 1)


@given(histories)
def test_time_never_runs_backwards_and_numbers_have_no_gaps(history):
    items, _ = history
    events = [read_event(item) for item in items]
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert [item["sk"] for item in items] == [event_sk(event.sequence) for event in events]
