"""`ratchet predict`: send one image to what is live."""

from __future__ import annotations

import base64
import http.client
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated, Any

import typer

from ratchet.aws import Aws, Deployment, connect, translate_errors
from ratchet.aws.stack import cached_deployment
from ratchet.cli.session import EXIT_NEGATIVE, AsJson, Session, exit_codes, start_session
from ratchet.errors import NotFoundError, SpecError, UnavailableError

TARGETS = ("ecs", "lambda")
_TIMEOUT_SECONDS = 30


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(predict)


def predict(
    image: Annotated[Path, typer.Argument(help="An image file.")],
    target: Annotated[str, typer.Option(help="ecs, lambda or all.")] = "all",
    as_json: AsJson = False,
) -> None:
    """Classify an image through the live endpoints.

    Example: ratchet predict ./scan.png --target lambda
    """
    session = start_session(as_json=as_json)
    with exit_codes(session.output):
        if target not in (*TARGETS, "all"):
            raise SpecError(f"--target {target!r} is none of: {', '.join(TARGETS)}, all")
        if not image.is_file():
            raise NotFoundError(f"there is no file {image}")
        answers = ask_all(session, image.read_bytes(), TARGETS if target == "all" else (target,))
        rows = [
            (where, given["model"]["version"], given["predictions"][0]["label"], given["predictions"][0]["probability"])
            for where, given in answers.items()
            if given.get("predictions")
        ]
        session.output.table("Predictions", ("target", "model version", "label", "probability"), rows)
        session.output.result(answers)
        if len(rows) < len(answers):
            for where, given in answers.items():
                if not given.get("predictions"):
                    session.output.warn(f"{where}: {given.get('error')}")
            raise typer.Exit(EXIT_NEGATIVE)


def ask_all(session: Session, image: bytes, targets: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Send one image to each target."""
    aws = connect(session.settings.region)
    deployment = cached_deployment(session.settings.region, session.settings.stack)
    ask = {"ecs": lambda: ask_service(deployment, image), "lambda": lambda: ask_function(aws, deployment, image)}
    return {target: ask[target]() for target in targets}


def ask_service(deployment: Deployment, image: bytes) -> dict[str, Any]:
    """POST the bytes to the load balancer."""
    request = urllib.request.Request(  # noqa: S310 - the stack's own output
        f"{deployment.service_url}/predict", data=image, headers={"Content-Type": "application/octet-stream"}
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


def ask_function(aws: Aws, deployment: Deployment, image: bytes) -> dict[str, Any]:
    """Invoke the function's live alias."""
    payload = json.dumps({"dataurl": base64.b64encode(image).decode()})
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
