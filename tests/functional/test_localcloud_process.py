"""Children of localcloud: their output, their end, and that nothing outlives its owner."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from localcloud.confinement import niceness, usable_cpus
from localcloud.process import LINE_LIMIT_BYTES, Child, Command, Supervisor, base_environment

_LIMIT_SECONDS = 20


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    made = Supervisor()
    yield made
    made.close()


def _python(code: str, *, memory_mib: int | None = None, cwd: Path = Path("/")) -> Command:
    return Command((sys.executable, "-u", "-c", code), base_environment(), cwd, memory_mib)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.01)


def test_output_comes_line_by_line_and_the_exit_after_the_last_line(supervisor: Supervisor) -> None:
    seen: list[str | int] = []
    code = "import sys; print('one'); print('two', file=sys.stderr); sys.stdout.write('three'); sys.exit(7)"
    child = supervisor.start(_python(code), on_line=seen.append, on_exit=seen.append)
    assert child.wait(_LIMIT_SECONDS) == 7
    _until(lambda: len(seen) == 4)
    assert seen == ["one", "two", "three", 7]


def test_a_line_without_end_comes_in_bounded_pieces(supervisor: Supervisor) -> None:
    seen: list[str] = []
    child = supervisor.start(_python(f"print('x' * {LINE_LIMIT_BYTES * 2 + 5})"), on_line=seen.append)
    child.wait(_LIMIT_SECONDS)
    assert [len(line) for line in seen] == [LINE_LIMIT_BYTES, LINE_LIMIT_BYTES, 5]


def test_a_child_sees_only_the_environment_it_was_given(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    seen: list[str] = []
    supervisor.start(_python("import os; print(dict(os.environ))"), on_line=seen.append).wait(_LIMIT_SECONDS)
    assert "canary" not in seen[0]


def test_a_stopped_child_may_finish_within_its_grace(supervisor: Supervisor) -> None:
    seen: list[str] = []
    code = "import signal, sys\nsignal.signal(15, lambda *_: sys.exit(3))\nprint('ready')\nwhile True: signal.pause()"
    child = supervisor.start(_python(code), on_line=seen.append)
    _until(lambda: seen == ["ready"])
    assert child.stop(_LIMIT_SECONDS) == 3


def test_a_child_that_ignores_sigterm_is_killed_after_its_grace(supervisor: Supervisor) -> None:
    seen: list[str] = []
    code = "import signal\nsignal.signal(15, signal.SIG_IGN)\nprint('ready')\nwhile True: signal.pause()"
    child = supervisor.start(_python(code), on_line=seen.append)
    _until(lambda: seen == ["ready"])
    assert child.stop(0.1) == -signal.SIGKILL


def test_a_stop_right_after_the_start_is_not_lost(supervisor: Supervisor) -> None:
    for _ in range(10):
        child = supervisor.start(_python("import time; time.sleep(600)"))
        assert child.stop(_LIMIT_SECONDS) == -signal.SIGTERM


def test_what_a_command_leaves_behind_ends_with_it(supervisor: Supervisor) -> None:
    seen: list[str] = []
    code = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid)"
    child = supervisor.start(_python(code), on_line=seen.append)
    assert child.wait(_LIMIT_SECONDS) == 0
    _until(lambda: not _alive(int(seen[0])))


def test_a_killed_guard_takes_its_command_with_it(supervisor: Supervisor) -> None:
    seen: list[str] = []
    child = supervisor.start(_python("import os, time; print(os.getpid()); time.sleep(600)"), on_line=seen.append)
    _until(lambda: bool(seen))
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait(_LIMIT_SECONDS) == -signal.SIGKILL
    _until(lambda: not _alive(int(seen[0])))


def test_a_child_over_its_memory_is_killed_and_says_why(supervisor: Supervisor) -> None:
    child = supervisor.start(_python("import time; x = bytearray(200 * 2**20); time.sleep(600)", memory_mib=100))
    assert child.wait(_LIMIT_SECONDS) == -signal.SIGKILL
    assert child.killed_for == "memory"


def test_a_missing_program_is_told_in_its_output(supervisor: Supervisor) -> None:
    seen: list[str] = []
    child = supervisor.start(Command(("/no/such/program",), base_environment(), Path("/")), on_line=seen.append)
    assert child.wait(_LIMIT_SECONDS) == 127
    assert "/no/such/program" in seen[0]


def test_closing_ends_every_child_and_starts_no_more() -> None:
    supervisor = Supervisor()
    children: list[Child] = [supervisor.start(_python("import time; time.sleep(600)")) for _ in range(3)]
    supervisor.close()
    assert [child.poll() for child in children] == [-signal.SIGTERM] * 3
    with pytest.raises(RuntimeError):
        supervisor.start(_python("1"))


def test_children_end_when_their_owner_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from localcloud.process import *\n"
        "run = 'import os, time; print(os.getpid()); time.sleep(600)'\n"
        "command = Command((sys.executable, '-u', '-c', run), base_environment(), Path('/'))\n"
        "Supervisor().start(command, on_line=lambda line: print(line, flush=True))\n"
        "time.sleep(600)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    with owner.stdout:
        grandchild = int(owner.stdout.readline())
        owner.kill()
        owner.wait()
    _until(lambda: not _alive(grandchild))


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_what_leaves_the_group_ends_with_it(supervisor: Supervisor) -> None:
    seen: list[str] = []
    code = "import subprocess; print(subprocess.Popen(['sleep', '600'], start_new_session=True).pid)"
    child = supervisor.start(_python(code), on_line=seen.append)
    assert child.wait(_LIMIT_SECONDS) == 0
    _until(lambda: not _alive(int(seen[0])))


def test_a_kill_finds_what_has_left_the_group(supervisor: Supervisor) -> None:
    seen: list[str] = []
    code = (
        "import subprocess, time\n"
        "print(subprocess.Popen(['sh', '-c', 'setsid sleep 600 & echo $!; exec sleep 600']).pid, flush=True)\n"
        "time.sleep(600)"
    )
    child = supervisor.start(_python(code), on_line=seen.append)
    _until(lambda: len(seen) == 2)
    child.stop(0.0)
    _until(lambda: not any(_alive(int(pid)) for pid in seen))


def test_a_child_over_its_time_is_killed_and_says_why(supervisor: Supervisor) -> None:
    child = supervisor.start(
        Command((sys.executable, "-c", "import time; time.sleep(600)"), base_environment(), Path("/"), time_seconds=0.3)
    )
    assert child.wait(_LIMIT_SECONDS) == -signal.SIGKILL
    assert child.killed_for == "time"


@pytest.mark.skipif(len(usable_cpus()) < 2, reason="one CPU cannot be shared out")
def test_a_child_keeps_to_the_cpus_and_limits_of_its_definition(supervisor: Supervisor) -> None:
    code = (
        "import os, resource\n"
        "print(len(os.sched_getaffinity(0)), os.nice(0), resource.getrlimit(resource.RLIMIT_NOFILE)[0],\n"
        "      resource.getrlimit(resource.RLIMIT_CORE)[1])"
    )
    seen: list[str] = []
    argv = (sys.executable, "-u", "-c", code)
    command = Command(argv, base_environment(), Path("/"), cpus=0.25, ulimits={"nofile": (64, 128)})
    supervisor.start(command, on_line=seen.append).wait(_LIMIT_SECONDS)
    assert seen == [f"1 {os.nice(0) + niceness(0.25)} 64 0"]


@pytest.mark.skipif(len(usable_cpus()) < 2, reason="one CPU cannot be shared out")
def test_children_are_spread_over_the_cpus(supervisor: Supervisor) -> None:
    argv = (sys.executable, "-c", "import time; time.sleep(600)")
    command = Command(argv, base_environment(), Path("/"), cpus=1)
    first, second = supervisor.start(command), supervisor.start(command)
    assert len(first.confinement.cpus) == len(second.confinement.cpus) == 1
    assert first.confinement.cpus != second.confinement.cpus
