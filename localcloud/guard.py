"""The first process of every child's group: it runs the command, and ends the whole group when localcloud is gone.

Run as a script, isolated and without `site`, so that it starts in some ten milliseconds. Its standard input is a pipe
that only localcloud holds open: end of file there means that localcloud has died, however it died.

Arguments: the descriptor on which the command's exit code is reported, then the command.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys

_COMMAND_NOT_FOUND = 127  # what a shell and Docker say

_asked_to_stop: list[int] = []


def _note_stop(number: int, _frame: object) -> None:
    # The command is in this group and gets the signal itself; the guard stays to report how it ended.
    _asked_to_stop.append(number)


def _kill_group() -> None:
    os.killpg(0, signal.SIGKILL)


def _watch_owner() -> None:
    while os.read(0, 1):
        pass
    _kill_group()


def _spawn(argv: list[str]) -> int:
    nothing = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    return os.posix_spawnp(argv[0], argv, os.environ, file_actions=nothing, setsigdef=[signal.SIGTERM, signal.SIGPIPE])


def main(arguments: list[str]) -> None:
    """Run the command, report its exit code (negative: the signal that ended it), and end what it left behind."""
    report, argv = int(arguments[0]), arguments[1:]
    os.set_inheritable(report, False)
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
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.write(report, str(code).encode())
    _kill_group()


if __name__ == "__main__":
    main(sys.argv[1:])
