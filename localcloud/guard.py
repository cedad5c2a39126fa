"""The first process of every child's group: it runs the command, and ends the whole group when localcloud is gone.

Run as a script, isolated and without `site`, so that it starts in some ten milliseconds. Its standard input is a pipe
that only localcloud holds open: end of file there means that localcloud has died, however it died.

It confines itself first, and the command inherits that; and it adopts what leaves the group (a process in a session of
its own whose parent has ended), so that whoever ends the group finds all of it below the guard.

Arguments: the descriptor on which the command's exit code is reported, a `Confinement` in one word, then the command.
"""

# Importing pathlib would double the time to start.
# ruff: noqa: PTH112, PTH118, PTH123, PTH208

from __future__ import annotations

import _thread
import contextlib
import ctypes
import os
import resource
import signal
import sys

_COMMAND_NOT_FOUND = 127  # what a shell and Docker say
_PR_SET_CHILD_SUBREAPER = 36
_SWEEPS = 50  # a process may have made another one while we looked

_asked_to_stop: list[int] = []


def _note_stop(number: int, _frame: object) -> None:
    # The command is in this group and gets the signal itself; the guard stays to report how it ended.
    _asked_to_stop.append(number)


def _kill_group() -> None:
    for _ in range(_SWEEPS):
        strays = _strays()
        if not strays:
            break
        for stray in strays:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(stray, signal.SIGKILL)
    os.killpg(0, signal.SIGKILL)


def _strays() -> list[int]:
    """Return the live processes below this one that are in another group."""
    if not os.path.isdir("/proc"):  # not Linux
        return []
    parents, strays, found = {os.getpid()}, [], {os.getpid()}
    processes = {pid: _parent_and_group(pid) for pid in map(int, filter(str.isdigit, os.listdir("/proc")))}
    while found:
        found = {pid for pid, (parent, _) in processes.items() if parent in parents and pid not in parents}
        parents |= found
        strays += [pid for pid in found if processes[pid][1] not in (0, os.getpid())]
    return strays


def _parent_and_group(pid: int) -> tuple[int, int]:
    """Return both of a process; its group is 0 when it is dead or gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            state, parent, group = stat.read().rpartition(b")")[2].split()[:3]
    except OSError:
        return 0, 0
    return int(parent), 0 if state == b"Z" else int(group)


def _adopt_orphans() -> None:
    with contextlib.suppress(OSError, AttributeError):  # not Linux: what leaves the group is not followed
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _confine(words: str) -> None:
    """Carry out each word of a `Confinement`; what the kernel refuses is left out."""
    for word in words.splitlines():
        name, _, value = word.partition("=")
        with contextlib.suppress(OSError, ValueError):
            if name == "cgroup":
                with open(os.path.join(value, "cgroup.procs"), "w") as members:
                    members.write("0")
            elif name == "cpus":
                os.sched_setaffinity(0, set(map(int, value.split(","))))
            elif name == "nice":
                os.nice(int(value))
            elif name.startswith("limit:"):
                soft, hard = map(int, value.split(","))
                _set_limit(getattr(resource, f"RLIMIT_{name.partition(':')[2].upper()}"), soft, hard)


def _set_limit(number: int, soft: int, hard: int) -> None:
    """Set a limit, at most to what this process may itself have."""
    ceiling = resource.getrlimit(number)[1]
    if ceiling != resource.RLIM_INFINITY:
        hard = ceiling if hard == resource.RLIM_INFINITY else min(hard, ceiling)
    if hard != resource.RLIM_INFINITY:
        soft = hard if soft == resource.RLIM_INFINITY else min(soft, hard)
    resource.setrlimit(number, (soft, hard))


def _await(child: int) -> int:
    """Wait for the command, and reap what was adopted meanwhile."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def _watch_owner() -> None:
    while os.read(0, 1):
        pass
    _kill_group()


def _spawn(argv: list[str]) -> int:
    nothing = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    return os.posix_spawnp(argv[0], argv, os.environ, file_actions=nothing, setsigdef=[signal.SIGTERM, signal.SIGPIPE])


def _await_all() -> None:
    """Wait until nothing is left below this process, which has adopted what the command left behind."""
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def main(arguments: list[str]) -> None:
    """Run the command, report its exit code (negative: the signal that ended it), and end what it left behind."""
    report, confinement, argv = int(arguments[0]), arguments[1], arguments[2:]
    os.set_inheritable(report, False)
    _adopt_orphans()
    _confine(confinement)
    signal.signal(signal.SIGTERM, _note_stop)
    _thread.start_new_thread(_watch_owner, ())
    try:
        child = _spawn(argv)
    except OSError as error:
        sys.stderr.write(f"cannot run {argv[0]}: {error.strerror}\n")
        sys.stderr.flush()
        code = _COMMAND_NOT_FOUND
    else:
        if _asked_to_stop:  # between our handler and the spawn: nobody else has told the command
            os.kill(child, signal.SIGTERM)
        code = _await(child)
        if "lingers=1" in confinement.splitlines():
            _await_all()
    os.write(report, str(code).encode())
    _kill_group()


if __name__ == "__main__":
    main(sys.argv[1:])
