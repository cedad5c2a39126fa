"""Who gets which environment: warm ones first, never two at once, and no more than there may be."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from localcloud.engines.lambda_environment import Job
from localcloud.engines.lambda_fleet import Fleet, Limits, Throttled
from localcloud.engines.lambda_outcome import Outcome
from localcloud.engines.lambda_revision import Identity, ImageCode, Revision

REVISION = Revision(
    identity=Identity("1", "r", "f", "1", "a"),
    code=ImageCode("probe"),
    handler="h",
    runtime=None,
    role="",
    memory_mib=128,
    timeout_seconds=3,
    environment={},
)
JOB = Job("q", b"{}", "arn", "trace")


class FakeEnvironment:
    """Runs `work` in place of a process, and notes when it is used twice at once."""

    def __init__(self, revision: Revision, number: int, work: Callable[[], bool]) -> None:
        self.revision = revision
        self.number = number
        self.usable = True
        self.stopped = threading.Event()
        self._work = work
        self._alone = threading.Lock()

    @property
    def alive(self) -> bool:
        return self.usable and not self.stopped.is_set()

    def invoke(self, job: Job) -> Outcome:
        assert self._alone.acquire(blocking=False), "two invocations at once"
        try:
            self.usable = self._work()
            return Outcome(job.request_id, str(self.number).encode(), not self.usable, "1", b"")
        finally:
            self._alone.release()

    def stop(self) -> None:
        self.stopped.set()


class Stage:
    """A fleet of fakes; `work` is what an invocation does."""

    def __init__(self, **limits: Any) -> None:
        self.made: list[FakeEnvironment] = []
        self.now = 0.0
        self.work: Callable[[], bool] = lambda: True
        self.fleet = Fleet(self._open, Limits(**limits), clock=lambda: self.now)

    def _open(self, revision: Revision) -> Any:
        self.made.append(FakeEnvironment(revision, len(self.made), lambda: self.work()))
        return self.made[-1]

    def invoke(self, revision: Revision = REVISION, **more: Any) -> int:
        return int(self.fleet.invoke(revision, JOB, **more).payload)


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage(per_version=2, queue_seconds=0.0, idle_seconds=0.04)
    yield made
    made.fleet.close()


def test_one_after_the_other_share_an_environment(stage: Stage) -> None:
    assert [stage.invoke() for _ in range(5)] == [0] * 5


def test_versions_do_not_share(stage: Stage) -> None:
    other = replace(REVISION, identity=replace(REVISION.identity, version="2"))
    assert [stage.invoke(), stage.invoke(other), stage.invoke()] == [0, 1, 0]


def test_side_by_side_have_one_each_and_one_more_is_throttled(stage: Stage) -> None:
    barrier = threading.Barrier(3)
    stage.work = lambda: barrier.wait(10) >= 0
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(stage.invoke) for _ in range(2)]
        while barrier.n_waiting < 2:
            time.sleep(0.001)
        with pytest.raises(Throttled):
            stage.invoke()
        barrier.wait(10)
        assert {future.result() for future in running} == {0, 1}


def test_reserved_concurrency_is_refused_at_once_and_given_back(stage: Stage) -> None:
    with pytest.raises(Throttled, match="Reserved"):
        stage.invoke(reserved=0)
    assert [stage.invoke(reserved=1) for _ in range(3)] == [0, 0, 0]


def test_an_environment_that_is_spent_is_replaced(stage: Stage) -> None:
    stage.work = lambda: False
    assert stage.invoke() == 0
    stage.work = lambda: True
    assert stage.invoke() == 1
    assert stage.made[0].stopped.wait(10)


def test_an_environment_that_died_while_idle_is_replaced(stage: Stage) -> None:
    stage.invoke()
    stage.made[0].usable = False
    assert stage.invoke() == 1


def test_an_invocation_that_breaks_gives_its_place_back(stage: Stage) -> None:
    def explode() -> bool:
        raise OSError("no process can be made")

    stage.work = explode
    for _ in range(5):
        with pytest.raises(OSError, match="no process"):
            stage.invoke()


def test_idle_environments_end_after_a_while(stage: Stage) -> None:
    stage.invoke()
    stage.now = 1.0
    assert stage.made[0].stopped.wait(10)
    assert stage.invoke() == 1


def test_retired_environments_end_and_busy_ones_after_their_invocation(stage: Stage) -> None:
    gate = threading.Barrier(2)
    stage.work = lambda: gate.wait(10) >= 0
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(stage.invoke)
        while gate.n_waiting < 1:
            time.sleep(0.001)
        stage.fleet.retire(lambda identity: identity == REVISION.identity)
        assert not stage.made[0].stopped.is_set()
        gate.wait(10)
        running.result()
    assert stage.made[0].stopped.wait(10)


def test_closing_ends_everything() -> None:
    stage = Stage()
    stage.invoke()
    stage.fleet.close()
    assert all(environment.stopped.is_set() for environment in stage.made)
