"""What every command needs: its output, the settings, and the way from an error to an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import typer

from ratchet.cli.airflow import Airflow
from ratchet.cli.output import Output
from ratchet.errors import NotFoundError, RatchetError
from ratchet.laptop.home import Home
from ratchet.loop.workshop import Workshop, open_workshop
from ratchet.settings import Settings, load_settings
from ratchet.spec import Pipeline, load_pipelines

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Person = Annotated[
    str, typer.Option("--as", envvar="RATCHET_AIRFLOW_USER", help="Airflow user name in whose name to act.")
]

EXIT_NEGATIVE = 1  # the command worked, and its answer is no: nothing found, a check failed, a run failed
EXIT_ERROR = 2  # the command could not do what was asked


@dataclass(frozen=True)
class Session:
    """One command's world."""

    output: Output
    settings: Settings

    @cached_property
    def pipelines(self) -> list[Pipeline]:
        """Every pipeline there is a file for."""
        return load_pipelines(self.settings.pipelines_folder)

    def workshop(self, pipeline: str) -> Workshop:
        """The workshop of a pipeline."""
        return open_workshop(pipeline, self.settings)

    def airflow(self, person: str = "admin") -> Airflow:
        """Airflow, in a person's name; the password comes from the environment or from the laptop stack's home."""
        password = os.environ.get("RATCHET_AIRFLOW_PASSWORD") or self._kept_password(person)
        return Airflow(self.settings.airflow_url, person, password)

    def _kept_password(self, person: str) -> str:
        try:
            return Home(self.settings.home).password(person)
        except (FileNotFoundError, KeyError) as error:
            raise NotFoundError(
                f"no password is known for Airflow user {person!r}: set RATCHET_AIRFLOW_PASSWORD, or pick a person "
                f"of the laptop's stack with --as"
            ) from error


def start_session(*, as_json: bool) -> Session:
    """Read the settings for one command."""
    output = Output(as_json=as_json)
    with exit_codes(output):
        return Session(output=output, settings=load_settings())


@contextmanager
def exit_codes(output: Output) -> Iterator[None]:
    """Turn an error of ours into a sentence and exit code 2; anything else is a defect and shows its trace."""
    try:
        yield
    except RatchetError as error:
        output.warn(f"error: {error}")
        output.result({"error": str(error), "kind": type(error).__name__, "actor": error.actor.value})
        raise typer.Exit(EXIT_ERROR) from error
    except KeyboardInterrupt as error:
        output.warn("stopped")
        raise typer.Exit(130) from error


def interactive() -> bool:
    """Whether a person sits at both ends."""
    return sys.stdin.isatty() and sys.stdout.isatty()
