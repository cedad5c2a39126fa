"""What stands in for container images: a table of image names and the interpreters and folders that run them here."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TABLE = Path(__file__).with_name("runtimes.toml")
_PYTHON_NAMES = frozenset({"python", "python3", "/usr/bin/python3", "/usr/local/bin/python"})


class ImageNotFound(Exception):
    """No runtime stands in for an image."""


@dataclass(frozen=True)
class Runtime:
    """How containers of one family of images run here.

    Attributes
    ----------
    image
        Pattern (as in `fnmatch`) on the image's name.
    python
        Interpreter that stands for `python` in the container.
    pythonpath
        Folders that stand for what the image has on its path.
    command
        The image's own command, used when a container names none.
    """

    image: str
    python: Path
    pythonpath: tuple[Path, ...]
    command: tuple[str, ...] = ()

    def argv(self, command: Sequence[str] = ()) -> tuple[str, ...]:
        """Return what to run for a container's command, or for the image's own when it is empty."""
        chosen = tuple(command) or self.command
        if chosen and chosen[0] in _PYTHON_NAMES:
            return (str(self.python), *chosen[1:])
        return chosen

    def environment(self) -> dict[str, str]:
        """Return the variables that the image itself would set."""
        return {"PYTHONPATH": os.pathsep.join(map(str, self.pythonpath)), "PYTHONUNBUFFERED": "1"}


class Runtimes:
    """The table, in order: the first pattern that matches an image wins."""

    def __init__(self, runtimes: Sequence[Runtime], table: Path = TABLE, machines: Sequence[Runtime] = ()) -> None:
        self._runtimes = tuple(runtimes)
        self._table = table
        self._machines = tuple(machines)

    @classmethod
    def load(cls, *, mxnet_python: Path | None = None, table: Path = TABLE) -> Runtimes:
        """Read the table.

        Parameters
        ----------
        mxnet_python
            Interpreter of the MXNet environment; `.venv-mxnet/bin/python` beside localcloud by default.
        table
            The TOML file.
        """
        # Not resolved: the path of a virtual environment's interpreter is what makes it one.
        mxnet = (mxnet_python or ROOT / ".venv-mxnet" / "bin" / "python").absolute()
        pythons = {"mxnet": mxnet, "self": Path(sys.executable)}
        entries = tomllib.loads(table.read_text(encoding="utf-8")).get("runtime", [])
        images = [_read_entry(entry, pythons, table) for entry in entries if "ami" not in entry]
        machines = [
            _read_entry({**entry, "image": entry["ami"]}, pythons, table) for entry in entries if "ami" in entry
        ]
        return cls(images, table, machines)

    @property
    def images(self) -> tuple[Runtime, ...]:
        """What stands in for container images, in order."""
        return self._runtimes

    def resolve(self, image: str) -> Runtime:
        """Return the runtime that stands in for an image.

        Raises
        ------
        ImageNotFound
            When no pattern matches; the message names the file to add it to.
        """
        for runtime in self._runtimes:
            if fnmatchcase(image, runtime.image):
                return runtime
        raise ImageNotFound(f"nothing stands in for the image {image}: add a [[runtime]] for it to {self._table}")

    def resolve_ami(self, name: str) -> Runtime:
        """Return the runtime that stands in for a machine image of EC2, by the image's name.

        Raises
        ------
        ImageNotFound
            When no pattern matches.
        """
        for runtime in self._machines:
            if fnmatchcase(name, runtime.image):
                return runtime
        raise ImageNotFound(
            f"nothing stands in for the machine image {name}: add a [[runtime]] with `ami` to {self._table}"
        )


@dataclass(frozen=True)
class PublicImage:
    """A machine image that AWS publishes: its name, and the public parameter of SSM that holds its id."""

    name: str
    parameter: str


def read_public_images(table: Path = TABLE) -> list[PublicImage]:
    """Return the table's machine images."""
    entries = tomllib.loads(table.read_text(encoding="utf-8")).get("machine_image", [])
    return [PublicImage(entry["name"], entry["parameter"]) for entry in entries]


def _read_entry(entry: dict[str, Any], pythons: dict[str, Path], table: Path) -> Runtime:
    name = entry.get("python", "self")
    if name not in pythons or "image" not in entry:
        raise ValueError(
            f'{table}: a [[runtime]] needs `image` or `ami`, and `python` is "mxnet" or "self": found {entry}'
        )
    return Runtime(
        image=entry["image"],
        python=pythons[name],
        pythonpath=tuple(ROOT / folder for folder in entry.get("pythonpath", [])),
        command=tuple(entry.get("command", [])),
    )
