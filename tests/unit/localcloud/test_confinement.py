"""What a definition's CPUs and limits become on this machine."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from localcloud.confinement import Confinement, choose_cpus, niceness, read_ulimits

_LOADS = st.dictionaries(st.integers(0, 63), st.floats(0, 8), min_size=1)


@given(st.floats(0.01, 100), _LOADS)
def test_a_group_gets_the_least_promised_cpus_and_enough_of_them(cpus: float, load: dict[int, float]) -> None:
    chosen = choose_cpus(cpus, load)
    if not chosen:
        assert cpus > len(load) - 1
        return
    assert len(chosen) >= cpus
    assert max(load[cpu] for cpu in chosen) <= min(load[cpu] for cpu in load.keys() - chosen)


@given(st.floats(0.001, 16), st.floats(0.001, 16))
def test_a_smaller_share_is_never_less_nice(one: float, other: float) -> None:
    assert niceness(min(one, other)) >= niceness(max(one, other))
    assert 0 <= niceness(one) <= 19


def test_a_quarter_of_a_cpu_weighs_a_quarter() -> None:
    assert niceness(0.25) == 6  # 1 / 1.25^6 = 0.26
    assert niceness(1) == niceness(8) == 0


def test_only_limits_that_a_process_can_have_are_read() -> None:
    entries = [
        {"name": "nofile", "softLimit": 1024, "hardLimit": 4096},
        {"name": "msgqueue", "softLimit": 1, "hardLimit": 1},
    ]
    assert read_ulimits(entries) == {"nofile": (1024, 4096)}


def test_a_confinement_is_one_argument_of_plain_words() -> None:
    made = Confinement(Path("/sys/fs/cgroup/a"), frozenset({3, 1}), 6, {"nofile": (1, 2)})
    assert made.to_argument().splitlines() == ["limit:nofile=1,2", "cgroup=/sys/fs/cgroup/a", "cpus=1,3", "nice=6"]
    assert Confinement().to_argument() == ""
