"""The `ratchet` command: registers the commands and runs them.

Exit codes: 0 done; 1 done, and the answer is no; 2 could not be done.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import typer

from ratchet.cli import (
    catalogue,
    data,
    demo,
    doctor,
    fault,
    gate,
    model,
    predict,
    reap,
    reproduce,
    run,
    stack,
    status,
    study,
)
from ratchet.errors import SpecError
from ratchet.laptop.home import adopt_environment
from ratchet.settings import load_settings

app = typer.Typer(
    name="ratchet",
    help="Retrain a model when its data changes; redeploy it only when it is better and a person said yes.",
    epilog="Exit codes: 0 done, 1 done and the answer is no, 2 could not be done. Every command takes --json.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for module in (stack, demo, status, data, catalogue, run, model, gate, predict, study, reap, reproduce, doctor, fault):
    module.add_commands(app)


def main() -> None:
    """Run the command line; a laptop's stack that is up is found by itself."""
    # A setting that cannot be read is the command's to tell, in the form it was asked for.
    with contextlib.suppress(SpecError):
        adopt_environment(Path(load_settings().home))
    app()


if __name__ == "__main__":
    main()
