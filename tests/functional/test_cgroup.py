"""Control groups are used where they are handed over, and only there. The tree is a folder like the kernel's."""

import os
from pathlib import Path

import pytest

from localcloud.cgroup import Cgroup, find_cgroups


class Kernel:
    """What a process sees of control groups."""

    def __init__(self, root: Path, *, controllers: str = "cpu io memory pids", members: str = "") -> None:
        self.mounts, self.own = root / "mounts", root / "own"
        self.folder = root / "tree" / "user.slice" / "mine"
        self.folder.mkdir(parents=True)
        self.mounts.write_text(f"proc /proc proc rw 0 0\ncgroup2 {root / 'tree'} cgroup2 rw 0 0\n")
        self.own.write_text("4:memory:/old\n0::/user.slice/mine\n")
        (self.folder / "cgroup.controllers").write_text(controllers)
        (self.folder / "cgroup.subtree_control").write_text("")
        (self.folder / "cgroup.procs").write_text(members or f"{os.getpid()}\n")

    def find(self):
        return find_cgroups(self.mounts, self.own)


def test_a_version_1_machine_has_none(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path)
    kernel.mounts.write_text("cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n")
    assert kernel.find() is None


def test_controllers_that_were_not_handed_over_are_not_used(tmp_path: Path) -> None:
    assert Kernel(tmp_path, controllers="io pids").find() is None


def test_a_group_that_others_live_in_is_left_alone(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path, members=f"{os.getpid()}\n1\n")
    assert kernel.find() is None
    assert (kernel.folder / "cgroup.subtree_control").read_text() == ""


def test_nothing_readable_means_none(tmp_path: Path) -> None:
    assert find_cgroups(tmp_path / "nothing", tmp_path / "nowhere") is None


def test_a_group_holds_cpu_time_and_memory(tmp_path: Path) -> None:
    group = Cgroup(tmp_path)
    group.limit(0.25, 512)
    assert (tmp_path / "cpu.max").read_text() == "25000 100000"
    assert (tmp_path / "memory.max").read_text() == str(512 * 2**20)
    assert (tmp_path / "memory.oom.group").read_text() == "1"


@pytest.mark.parametrize(("kills", "expected"), [("0", False), ("2", True)])
def test_a_group_tells_that_the_kernel_killed_for_memory(tmp_path: Path, kills: str, expected: bool) -> None:
    (tmp_path / "memory.events").write_text(f"low 0\nhigh 0\nmax 4\noom 1\noom_kill {kills}\n")
    assert Cgroup(tmp_path).ran_out_of_memory() is expected


@pytest.mark.skipif(find_cgroups() is None, reason="no control group was handed to this process")
def test_a_real_group_is_made_limited_and_removed() -> None:
    found = find_cgroups()
    group = found.make()
    group.limit(0.5, 64)
    assert (group.folder / "cpu.max").read_text().split() == ["50000", "100000"]
    group.remove()
    assert not group.folder.exists()
