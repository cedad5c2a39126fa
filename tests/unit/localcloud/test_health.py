"""Looks at a server are counted as AWS counts them."""

from hypothesis import given
from hypothesis import strategies as st

from localcloud.health import Health, HealthRecord


def record(**changes) -> HealthRecord:
    settings = {"since_seconds": 0.0, "interval_seconds": 10.0, "rise": 3, "fall": 2} | changes
    return HealthRecord(**settings)


def test_a_new_server_is_healthy_after_its_first_good_answer():
    assert record().note(good=True, now_seconds=0.1) is Health.HEALTHY


def test_a_new_server_is_looked_at_often_but_judged_by_the_interval():
    new = record()
    assert new.pause_seconds < 1
    for tenth in range(1, 190):
        assert new.note(good=False, now_seconds=tenth / 10) is Health.UNKNOWN
    assert new.note(good=False, now_seconds=20.0) is Health.UNHEALTHY
    assert new.pause_seconds == 10.0


def test_one_bad_answer_does_not_condemn_a_healthy_server():
    known = record()
    for step, good in enumerate([True, False, True, False, True]):
        assert known.note(good=good, now_seconds=10.0 * step) is Health.HEALTHY
    assert known.note(good=False, now_seconds=60.0) is Health.HEALTHY
    assert known.note(good=False, now_seconds=70.0) is Health.UNHEALTHY


def test_an_unhealthy_server_needs_as_many_good_answers_as_the_threshold_says():
    known = record(health=Health.UNHEALTHY)
    answers = [True, True, False, True, True, True]
    seen = [known.note(good=good, now_seconds=10.0 * step) for step, good in enumerate(answers)]
    assert seen == [Health.UNHEALTHY] * 5 + [Health.HEALTHY]


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5), st.integers(1, 5))
def test_unhealthy_always_ends_a_run_of_as_many_bad_answers_as_the_threshold(answers, rise, fall):
    known = record(rise=rise, fall=fall)
    before = known.health
    for step, good in enumerate(answers):
        after = known.note(good=good, now_seconds=10.0 * (step + 1))
        if after is Health.UNHEALTHY and before is not Health.UNHEALTHY:
            assert step + 1 >= fall
            assert not any(answers[step + 1 - fall : step + 1])
        before = after
