"""`ratchet fault`: make calls to a laptop's AWS go wrong, to see what the code does then."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from ratchet.cli.session import AsJson, Session, exit_codes, start_session
from ratchet.errors import SpecError
from ratchet.laptop.fault import Faults

Effect = Annotated[
    str,
    typer.Argument(
        help="error, latency, drop, cut, capacity, lose-event, duplicate-event, reorder-event, delay-event or skew."
    ),
]
_HIDDEN = ("id", "effect", "hits", "hit")


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this file."""
    faults = typer.Typer(help="Make calls to a laptop's AWS go wrong.", no_args_is_help=True)
    faults.command("add")(add)
    faults.command("list")(list_faults)
    faults.command("clear")(clear)
    app.add_typer(faults, name="fault")


def add(  # noqa: PLR0913 - one for each thing that a fault says
    effect: Effect,
    *,
    service: Annotated[str | None, typer.Option(help="Name in boto3; * stands for anything.")] = None,
    operation: Annotated[str | None, typer.Option(help="Name in AWS's API, for example Put*.")] = None,
    on_region: Annotated[str | None, typer.Option("--region", help="Only calls to this region.")] = None,
    mutating: Annotated[bool, typer.Option("--mutating", help="Only calls that change something.")] = False,
    probability: Annotated[float | None, typer.Option(help="Of each call to be struck, up to 1.")] = None,
    count: Annotated[int | None, typer.Option(help="Spent after so many strikes.")] = None,
    each: Annotated[bool, typer.Option("--each", help="The count holds for each operation by itself.")] = False,
    seed: Annotated[int | None, typer.Option(help="The same seed strikes the same calls.")] = None,
    code: Annotated[str | None, typer.Option(help="Code of an error.")] = None,
    status: Annotated[int | None, typer.Option(help="HTTP status of an error.")] = None,
    message: Annotated[str | None, typer.Option(help="Message of an error.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Of a latency, a delay or a skew.")] = None,
    as_json: AsJson = False,
) -> None:
    """Put a fault in force.

    Example: ratchet fault add drop --mutating --count 1 --each

    Example: ratchet fault add error --service dynamodb --code ThrottlingException --status 400 --probability 0.2
    """
    session = start_session(as_json=as_json)
    given = {
        "effect": effect,
        "service": service,
        "operation": operation,
        "region": on_region,
        "mutating": mutating or None,
        "probability": probability,
        "count": count,
        "each": each or None,
        "seed": seed,
        "code": code,
        "status": status,
        "message": message,
        "seconds": seconds,
    }
    with exit_codes(session.output):
        name = _faults(session).add({key: value for key, value in given.items() if value is not None})
        session.output.say(f"{name} is in force; take it back with: ratchet fault clear {name}")
        session.output.result({"id": name})


def list_faults(*, as_json: AsJson = False) -> None:
    """Show the faults in force and how often each has struck.

    Example: ratchet fault list
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        found = _faults(session).list()
        rows = [(entry["id"], entry["effect"], _say(entry), entry["hits"], _say_hits(entry["hit"])) for entry in found]
        session.output.table("Faults", ("id", "effect", "of", "struck", "what"), rows)
        session.output.result({"faults": found})


def clear(
    name: Annotated[str, typer.Argument(help="Id of one fault; all when left out.")] = "", *, as_json: AsJson = False
) -> None:
    """Take one fault back, or all.

    Example: ratchet fault clear
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        faults = _faults(session)
        removed = 1
        if name:
            faults.remove(name)
        else:
            removed = faults.clear()
        session.output.say(f"took {removed} fault(s) back")
        session.output.result({"removed": removed})


def _faults(session: Session) -> Faults:
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if not endpoint:
        raise SpecError("faults are a laptop's: start one with ratchet up, or set AWS_ENDPOINT_URL")
    return Faults(endpoint, session.settings.region)


def _say(entry: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in entry.items() if key not in _HIDDEN)


def _say_hits(hit: dict[str, int]) -> str:
    return ", ".join(f"{key} {count}x" for key, count in hit.items())
