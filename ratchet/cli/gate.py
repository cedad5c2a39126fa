"""`ratchet approve` and `ratchet reject`: answer a waiting gate, in Airflow, as a named person."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ratchet.cli.airflow import Airflow
from ratchet.cli.run import PipelineName, dag_of
from ratchet.cli.session import AsJson, Person, Session, exit_codes, interactive, start_session
from ratchet.errors import ConflictError, NotFoundError, SpecError

Digest = Annotated[str, typer.Option(help="SHA-256 of the artefact you looked at; its first 12 characters are enough.")]
Comment = Annotated[str, typer.Option("--comment", "-m", help="Kept with the decision.")]


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(approve)
    app.command()(reject)


def approve(
    pipeline: PipelineName, *, person: Person, digest: Digest = "", comment: Comment = "", as_json: AsJson = False
) -> None:
    """Say yes to the candidate that waits; it is released after that.

    Example: ratchet approve digits --as alice --digest 3f9c2a71b0de
    """
    decide(pipeline, person, digest=digest, comment=comment, yes=True, session=start_session(as_json=as_json))


def reject(
    pipeline: PipelineName, *, person: Person, digest: Digest = "", comment: Comment = "", as_json: AsJson = False
) -> None:
    """Say no to the candidate that waits; the champion serves on.

    Example: ratchet reject digits --as alice --digest 3f9c2a71b0de -m "too many threes"
    """
    decide(pipeline, person, digest=digest, comment=comment, yes=False, session=start_session(as_json=as_json))


def decide(pipeline: str, person: str, *, digest: str, comment: str, yes: bool, session: Session) -> None:
    """Find the waiting gate, show it, and answer it."""
    with exit_codes(session.output):
        airflow = session.airflow(person)
        waiting = find_waiting(airflow, pipeline)
        seen = waiting_digest(waiting)
        if not digest:
            digest = _confirm(session, waiting, seen, yes=yes)
        if len(digest) < 12 or not seen.startswith(digest):
            raise ConflictError(f"the candidate that waits now has digest {seen[:12]}, not {digest}: look at it again")
        airflow.answer(waiting, approve=yes, digest=seen, comment=comment)
        word = "approved" if yes else "rejected"
        session.output.say(f"{word} {seen[:12]} as {person}")
        session.output.result({"decision": word, "digest": seen, "who": person, "comment": comment})


def find_waiting(airflow: Airflow, pipeline: str) -> dict[str, Any]:
    """Return the newest waiting gate of a pipeline."""
    waiting = airflow.waiting(dag_of(pipeline))
    if not waiting:
        raise NotFoundError(f"nothing of {pipeline} waits for approval; see `ratchet runs {pipeline}`")
    return waiting[-1]


def waiting_digest(waiting: dict[str, Any]) -> str:
    """Return the digest that the gate's form offers."""
    field = waiting["params"]["digest"]
    return str(field["value"] if isinstance(field, dict) else field)


def _confirm(session: Session, waiting: dict[str, Any], seen: str, *, yes: bool) -> str:
    if not interactive() or session.output.as_json:
        raise SpecError(f"say which artefact you mean: --digest {seen[:12]} is the one that waits")
    session.output.say(f"{waiting['subject']}\n\n{waiting['body']}\n")
    typer.confirm(f"{'Approve' if yes else 'Reject'} {seen[:12]}?", abort=True)
    return seen
