"""A pool gives requests to whom it may, whatever happens in between."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from localcloud.loadbalancer_target import HealthCheck, Target, TargetHealth, TargetPool, TargetState

SICK = TargetHealth(TargetState.UNHEALTHY, "Target.Timeout", "Request timed out")
CHECK = HealthCheck(interval_seconds=0.0, healthy_threshold=1, unhealthy_threshold=1)


def pool_of(*ports: int) -> TargetPool:
    pool = TargetPool(CHECK)
    for port in ports:
        pool.note(pool.add("127.0.0.1", port), None)
    return pool


def test_healthy_targets_take_turns():
    pool = pool_of(1, 2, 3)
    assert set(Counter(pool.acquire().port for _ in range(30)).values()) == {10}


def test_a_target_registered_twice_is_in_once():
    pool = pool_of(1)
    assert pool.add("127.0.0.1", 1) is None
    assert len(pool.targets()) == 1


def test_a_draining_target_may_come_back_as_a_new_one():
    pool = pool_of(1)
    old = pool.drain("127.0.0.1", 1)
    new = pool.add("127.0.0.1", 1)
    pool.remove(old)
    assert pool.targets() == [new]


def test_a_draining_target_stays_draining_whatever_its_checks_say():
    pool = pool_of(1)
    target = pool.drain("127.0.0.1", 1)
    pool.note(target, None)
    assert target.health.state is TargetState.DRAINING
    assert pool.acquire() is None


def test_status_codes_are_matched_as_the_matcher_says():
    check = HealthCheck(codes="200-204,301")
    assert [code for code in (199, 200, 204, 205, 300, 301, 500) if check.accepts(code)] == [200, 204, 301]


MOVES = st.lists(st.tuples(st.sampled_from(["add", "well", "sick", "drain", "acquire", "release"]), st.integers(1, 4)))


def acquire_rightly(pool: TargetPool) -> list[Target]:
    states = {each.health.state for each in pool.targets()}
    chosen = pool.acquire()
    if chosen is None:
        assert not states & {TargetState.HEALTHY, TargetState.UNHEALTHY}
        return []
    assert chosen.health.state is (TargetState.HEALTHY if TargetState.HEALTHY in states else TargetState.UNHEALTHY)
    return [chosen]


@given(MOVES)
def test_requests_go_to_healthy_targets_first_and_drains_end_with_the_last_request(moves):
    pool = TargetPool(CHECK)
    taken = []
    for move, port in moves:
        target = next((each for each in pool.targets() if each.port == port), None)
        if move == "add":
            pool.add("127.0.0.1", port)
        elif move in {"well", "sick"} and target is not None:
            pool.note(target, None if move == "well" else SICK)
        elif move == "drain":
            pool.drain("127.0.0.1", port)
        elif move == "acquire":
            taken += acquire_rightly(pool)
        elif move == "release" and taken:
            pool.release(taken.pop())
    for target in pool.targets():
        assert target.in_flight == taken.count(target)
        draining = target.health.state is TargetState.DRAINING
        assert target.drained.is_set() == (draining and target.in_flight == 0)
