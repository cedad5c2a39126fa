"""Tasks go where they fit, and groups grow by what is needed."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from localcloud.engines.ecs_placement import Need, Room, choose_room, instances_needed, spread_over

P3 = Need(8192, 60_000, 1)
NEEDS = st.builds(Need, st.integers(0, 4096), st.integers(1, 30_000), st.integers(0, 1))


def test_what_is_missing_is_said_in_ecs_words() -> None:
    assert P3.lacks(Need(1, 1, 2)) == "RESOURCE:GPU"
    assert P3.lacks(Need(9000, 1, 1)) == "RESOURCE:CPU"
    assert P3.lacks(Need(9000, 70_000, 2)) == "RESOURCE:MEMORY"
    assert P3.lacks(P3) is None


@given(st.lists(NEEDS, max_size=8), st.integers(0, 4))
def test_a_chosen_instance_has_room_and_none_is_chosen_only_when_none_has(lefts: list[Need], gpus: int) -> None:
    need = Need(1024, 8192, gpus)
    rooms = [Room(f"arn-{index}", left) for index, left in enumerate(lefts)]
    chosen = choose_room(rooms, need, {})
    if chosen is None:
        assert all(room.left.lacks(need) for room in rooms)
    else:
        assert chosen.left.lacks(need) is None


def test_strategies_and_constraints_order_the_instances() -> None:
    rooms = [
        Room("a", Need(1000, 500), tasks=0),
        Room("b", Need(400, 900), tasks=1),
        Room("c", Need(500, 400), tasks=2),
    ]
    need = Need(100, 100)
    assert choose_room(rooms, need, {}).arn == "a"
    assert choose_room(rooms, need, {"placementStrategy": [{"type": "binpack", "field": "memory"}]}).arn == "c"
    assert choose_room(rooms, need, {"placementStrategy": [{"type": "binpack", "field": "cpu"}]}).arn == "b"
    alone = {"placementConstraints": [{"type": "distinctInstance"}]}
    assert choose_room(rooms, need, alone).arn == "a"
    assert choose_room(rooms[1:], need, alone) is None


@given(st.lists(NEEDS, max_size=12))
def test_a_group_grows_by_enough_and_not_by_more_than_one_instance_for_each_task(needs: list[Need]) -> None:
    count = instances_needed(needs, P3)
    assert count <= len(needs)
    assert count * P3.gpus >= sum(need.gpus for need in needs)
    assert count * P3.memory_mib >= sum(need.memory_mib for need in needs)


def test_tasks_that_fit_no_instance_make_no_group_grow() -> None:
    assert instances_needed([Need(1, 1, 8)], P3) == 0
    assert instances_needed([Need(1, 1, 1)] * 3, Need(8192, 60_000, 2)) == 2


def test_tasks_are_spread_by_base_and_weight() -> None:
    strategy = [
        {"capacityProvider": "spot", "weight": 3},
        {"capacityProvider": "steady", "weight": 1, "base": 2},
    ]
    assert Counter(spread_over(strategy, 10)) == {"spot": 6, "steady": 4}
    assert spread_over([{"capacityProvider": "only"}], 2) == ["only", "only"]
