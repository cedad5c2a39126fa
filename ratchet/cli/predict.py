"""`ratchet predict`: send an image, rows or a text to what is live."""

from __future__ import annotations

import csv
import http.client
import json
import math
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ratchet.aws import Aws, Deployment, connect, translate_errors
from ratchet.aws.stack import cached_deployment
from ratchet.cli.session import EXIT_NEGATIVE, AsJson, Session, exit_codes, start_session
from ratchet.errors import NotFoundError, SpecError, UnavailableError
from ratchet.rollout.question import Question, about, about_image

TARGETS = ("ecs", "lambda")
_TIMEOUT_SECONDS = 30


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(predict)


def predict(
    file: Annotated[Path | None, typer.Argument(help="An image, rows in a .csv, or a text in a .txt.")] = None,
    *,
    row: Annotated[str, typer.Option(help="The numbers of one row of a table, separated by commas.")] = "",
    text: Annotated[str, typer.Option(help="A text.")] = "",
    target: Annotated[str, typer.Option(help="ecs, lambda or all.")] = "all",
    as_json: AsJson = False,
) -> None:
    """Classify an image, the rows of a .csv, or a text through the live endpoints.

    Example: ratchet predict ./scan.png --target lambda
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        if target not in (*TARGETS, "all"):
            raise SpecError(f"--target {target!r} is none of: {', '.join(TARGETS)}, all")
        question = read_question(file, row, text)
        answers = ask_all(session, question, TARGETS if target == "all" else (target,))
        columns = ("target", "model version", "label", "probability")
        session.output.table("Predictions", columns, list(_rows(answers)))
        session.output.result(answers)
        failed = {where: given for where, given in answers.items() if not given.get("predictions")}
        for where, given in failed.items():
            session.output.warn(f"{where}: {given.get('error')}")
        if failed:
            raise typer.Exit(EXIT_NEGATIVE)


def read_question(file: Path | None, row: str, text: str) -> Question:
    """Make a question of what the command was given.

    Raises
    ------
    SpecError
        When that is not exactly one thing, or no row of numbers.
    NotFoundError
        When there is no such file.
    """
    if (file is not None) + bool(row) + bool(text) != 1:
        raise SpecError("say one thing to classify: a file, --row or --text")
    if text:
        return about({"texts": [text]})
    if file is None:
        return about_csv(row)
    if not file.is_file():
        raise NotFoundError(f"there is no file {file}")
    if file.suffix.lower() not in (".csv", ".txt"):
        return about_image(file.read_bytes())
    try:
        content = file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError(f"{file} is no UTF-8 text: {error.reason}") from error
    return about_csv(content) if file.suffix.lower() == ".csv" else about({"texts": [content]})


def about_csv(content: str) -> Question:
    """Ask about CSV whose first line may name the columns."""
    lines = [cells for cells in csv.reader(content.splitlines()) if cells]
    if not lines:
        raise SpecError("there is no row: give lines of numbers, separated by commas")
    rows = [[_number(cell) for cell in cells] for cells in lines]
    if any(isinstance(cell, float) for cell in rows[0]):
        return about({"rows": rows})
    return about({"columns": dict(zip(lines[0], map(list, zip(*rows[1:], strict=False)), strict=False))})


def _number(cell: str) -> float | str:
    try:
        number = float(cell)
    except ValueError:
        return cell
    return number if math.isfinite(number) else cell


def _rows(answers: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    for where, given in answers.items():
        for each in given.get("results") or ([given] if given.get("predictions") else []):
            best = each["predictions"][0]
            yield where, given["model"]["version"], best["label"], best["probability"]


def ask_all(session: Session, question: Question, targets: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Send one question to each target."""
    aws = connect(session.settings.region)
    deployment = cached_deployment(session.settings.region, session.settings.stack)
    ask = {"ecs": lambda: ask_service(deployment, question), "lambda": lambda: ask_function(aws, deployment, question)}
    return {target: ask[target]() for target in targets}


def ask_service(deployment: Deployment, question: Question) -> dict[str, Any]:
    """POST the question to the load balancer."""
    request = urllib.request.Request(  # noqa: S310 - the stack's own output
        f"{deployment.service_url}/predict", data=question.body, headers={"Content-Type": question.content_type}
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - see above
            return _body(answer.read(), f"what answers at {deployment.service_url} is not the service")
    except urllib.error.HTTPError as error:
        return _body(error.read(), f"the service answered {error.code}")
    except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
        raise UnavailableError(
            f"{deployment.service_url} does not answer: {error}; is a model live? see `ratchet status`"
        ) from error


def ask_function(aws: Aws, deployment: Deployment, question: Question) -> dict[str, Any]:
    """Invoke the function's live alias."""
    payload = json.dumps(dict(question.event))
    with translate_errors(f"invoke {deployment.function_name}"):
        answer = aws.client("lambda").invoke(
            FunctionName=deployment.function_name, Qualifier=deployment.function_alias, Payload=payload.encode()
        )
    return _body(answer["Payload"].read(), "the function gave no answer")


def _body(raw: bytes, otherwise: str) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except ValueError:
        return {"error": otherwise}
    return value if isinstance(value, dict) else {"error": otherwise}
