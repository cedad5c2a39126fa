"""Stands in for `docker` on an instance: `docker run` becomes the command itself, under the image's interpreter.

Run as a script. Arguments: the table that `ec2_docker` has written, then what `docker` was given.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NoReturn

_NO_CONTAINER = 125  # Docker's own code for a container that could not be made
# Options of `run` that are taken; those with a value say so. What they ask for is this machine's already.
_FLAGS = frozenset({"--rm", "-i", "-t", "-it", "--init", "--privileged"})
_VALUES = frozenset(
    {
        "--network", "--net", "--ipc", "--gpus", "--stop-timeout", "--stop-signal", "--name", "--shm-size",
        "--ulimit", "--memory", "-m", "--cpus", "--pull", "--label", "-l", "--log-driver", "--log-opt",
    }
)  # fmt: skip
_ENVIRONMENT = frozenset({"-e", "--env"})
_PASSED_ON = ("AWS_ENDPOINT_URL", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "LANG", "TMPDIR")


class Refused(Exception):
    """What Docker would not do, or this stand-in cannot."""


def main(arguments: Sequence[str]) -> int:
    """Do one `docker` command; `run` does not return."""
    table, *words = arguments
    command = words[0] if words else ""
    try:
        _do(command, words[1:], table)
    except Refused as refused:
        sys.stderr.write(f"docker: {refused}.\n")
        return _NO_CONTAINER
    return 0


def _do(command: str, words: Sequence[str], table: str) -> None:
    if command == "login":
        sys.stdin.read()
        sys.stdout.write("Login Succeeded\n")
    elif command == "pull" and words:
        _resolve(words[-1], table)
    elif command == "run":
        _run(words, table)
    else:
        raise Refused(f"localcloud's docker does login, pull and run, not {command!r}")


def _run(words: Sequence[str], table: str) -> NoReturn:
    environment: dict[str, str] = {}
    entry_point: list[str] = []
    left = list(words)
    while left and left[0].startswith("-"):
        name, joined, value = left.pop(0).partition("=")
        if name in _FLAGS:
            continue
        if name not in _VALUES | _ENVIRONMENT | {"--entrypoint"}:
            raise Refused(f"localcloud's docker does not know the option {name}")
        given = value if joined else left.pop(0) if left else ""
        if name in _ENVIRONMENT:
            variable, equals, text = given.partition("=")
            environment[variable] = text if equals else os.environ.get(variable, "")
        elif name == "--entrypoint":
            entry_point = [given]
    if not left:
        raise Refused('"docker run" requires at least 1 argument')
    runtime = _resolve(left[0], table)
    argv = [*entry_point, *left[1:]]
    if not argv:
        raise Refused(f"localcloud does not know the own command of the image {left[0]}: give one")
    _become(argv, runtime, environment)


def _become(argv: Sequence[str], runtime: dict[str, Any], given: dict[str, str]) -> NoReturn:
    scratch = Path(tempfile.mkdtemp(prefix="container-"))
    (scratch / "tmp").mkdir()
    environment = {
        **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        "PATH": os.pathsep.join((str(Path(runtime["python"]).parent), os.environ.get("PATH", os.defpath))),
        "HOME": str(scratch),
        "TMPDIR": str(scratch / "tmp"),
        # What a container has at /opt/ml; AWS's training toolkit asks for it by this name.
        "SAGEMAKER_BASE_DIR": str(scratch / "opt" / "ml"),
        **runtime["environment"],
        **given,
    }
    os.chdir(scratch)
    try:
        os.execvpe(argv[0], list(argv), environment)  # noqa: S606 - that is what it is for
    except OSError as error:
        raise Refused(f"{argv[0]}: {error.strerror}") from error


def _resolve(image: str, table: str) -> dict[str, Any]:
    entries: list[dict[str, Any]] = json.loads(Path(table).read_text("utf-8"))
    for entry in entries:
        if fnmatchcase(image, entry["image"]):
            return entry
    raise Refused(f"Unable to find image '{image}': nothing stands in for it in localcloud/runtimes.toml")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
