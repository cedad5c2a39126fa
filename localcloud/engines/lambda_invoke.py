"""Invoke, in its three kinds: run and wait, queue, or only check."""

from __future__ import annotations

import base64
import json
import secrets
import time
import uuid
from collections.abc import Callable, Mapping, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from moto.awslambda.exceptions import InvalidParameterValueException, LambdaClientError

from localcloud.engine import Host
from localcloud.engines.lambda_environment import Job
from localcloud.engines.lambda_fleet import Fleet, Throttled
from localcloud.engines.lambda_function import Function
from localcloud.engines.lambda_metric import Run, record_run, record_throttle
from localcloud.engines.lambda_outcome import UNHANDLED, Outcome
from localcloud.engines.lambda_queue import Attempt, EventQueue
from localcloud.engines.lambda_revision import Revision
from localcloud.engines.lambda_storage import ResourceConflict, Storage
from localcloud.metric import Region

REQUEST_BYTES = 6_291_456
EVENT_BYTES = 1_048_576

_serving_queue: ContextVar[bool] = ContextVar("serving_queue", default=False)


class InvocationKind(StrEnum):
    """Values of InvocationType."""

    REQUEST_RESPONSE = "RequestResponse"
    EVENT = "Event"
    DRY_RUN = "DryRun"


class RequestTooLarge(LambdaClientError):  # type: ignore[misc]
    """HTTP 413."""

    code = 413

    def __init__(self, limit_bytes: int) -> None:
        text = f"Request must be smaller than {limit_bytes} bytes for the InvokeFunction operation"
        super().__init__("RequestEntityTooLargeException", text)


class TooManyRequests(LambdaClientError):  # type: ignore[misc]
    """HTTP 429."""

    code = 429

    def __init__(self, reason: str) -> None:
        super().__init__("TooManyRequestsException", "Rate Exceeded.")
        self.description = json.dumps({"Reason": reason, "Type": "User", "message": "Rate Exceeded."})


@dataclass(frozen=True)
class Services:
    """What the backend works with.

    Attributes
    ----------
    draw
        Returns a number from 0 up to but not including 1, for weighted aliases.
    settle_seconds
        How long a function shows `Pending` or `InProgress`, by `clock`.
    """

    host: Host
    fleet: Fleet
    events: EventQueue
    draw: Callable[[], float]
    settle_seconds: float
    clock: Callable[[], float]


class InvokeOperations:
    """The part of the backend that runs functions."""

    services: Services
    _lambdas: Storage
    region_name: str
    account_id: str

    def run(
        self, function_name: str, qualifier: str | None, payload: bytes, *, client_context: str | None = None
    ) -> Outcome:
        """Run a function and wait.

        Raises
        ------
        Throttled
            When there is no room.
        LambdaClientError
            When there is no such function, or it cannot run yet.
        """
        function = self._choose(function_name, qualifier)
        revision = function.to_revision()
        if revision.identity.version == "$LATEST":
            self.services.fleet.retire(revision.identity.replaces)
        name, chosen = self._lambdas.split_name(function_name, qualifier)
        job = Job(
            request_id=str(uuid.uuid4()),
            payload=payload or b"{}",
            invoked_arn=f"{revision.identity.arn}:{chosen}" if chosen else revision.identity.arn,
            trace_id=f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)};Sampled=0",
            client_context=client_context,
        )
        return self._run_counted(Run(name, chosen), revision, job)

    def submit(self, function_name: str, qualifier: str | None, payload: bytes) -> None:
        """Queue an event; an alias's weights decide when it runs, and again at each retry."""

        def attempt() -> Attempt:
            outcome = self.run(function_name, qualifier, payload)
            return Attempt(not outcome.failed, outcome.payload.decode(errors="replace"))

        name, _ = self._lambdas.split_name(function_name, qualifier)
        self.services.events.put(attempt, name=name, retries=self._retries(name))

    def invoke(  # noqa: PLR0917 - moto's signature
        self,
        function_name: str,
        qualifier: str | None,
        body: str | bytes,
        headers: Mapping[str, str],
        response_headers: MutableMapping[str, str],
    ) -> bytes:
        """Carry out Invoke; keeps moto's signature, because moto's other services call it.

        They pass no headers, and like on AWS do not wait: only a queue's messages are gone when the function succeeds.
        """
        inner = InvocationKind.REQUEST_RESPONSE if _serving_queue.get() else InvocationKind.EVENT
        kind = _read_kind(headers.get("X-Amz-Invocation-Type")) if headers else inner
        payload = body.encode() if isinstance(body, str) else body
        _check_payload(payload, EVENT_BYTES if kind is InvocationKind.EVENT else REQUEST_BYTES)
        if kind is not InvocationKind.REQUEST_RESPONSE:
            self._choose(function_name, qualifier)
            if kind is InvocationKind.EVENT:
                self.submit(function_name, qualifier, payload)
            return b""
        context = headers.get("X-Amz-Client-Context")
        try:
            outcome = self.run(function_name, qualifier, payload, client_context=_decode_context(context))
        except Throttled as error:
            raise TooManyRequests(str(error)) from error
        response_headers.update(_describe(outcome, tail=headers.get("X-Amz-Log-Type") == "Tail"))
        return outcome.payload

    def send_sqs_batch(self, function_arn: str, messages: Any, queue_arn: str) -> bool:
        """Run a function for messages of a queue; say whether they are done with."""
        token = _serving_queue.set(True)
        try:
            return bool(super().send_sqs_batch(function_arn, messages, queue_arn))  # type: ignore[misc]
        finally:
            _serving_queue.reset(token)

    def _run_counted(self, run: Run, revision: Revision, job: Job) -> Outcome:
        metrics, region = self.services.host.metrics, Region(self.account_id, self.region_name)
        fleet = self.services.fleet
        try:
            outcome = fleet.invoke(revision, job, reserved=self._reserved(run.name))
        except Throttled:
            record_throttle(metrics, region, run)
            raise
        # It has given its place back; those that still run were there with it.
        concurrency = fleet.count_running(revision.identity.arn) + 1
        done = replace(
            run,
            executed_version=outcome.executed_version,
            failed=outcome.failed,
            duration_ms=outcome.duration_ms,
            concurrency=concurrency,
        )
        record_run(metrics, region, done)
        return outcome

    def _choose(self, function_name: str, qualifier: str | None) -> Function:
        function = self._lambdas.choose(function_name, qualifier, self.services.draw)
        if function.transition == "Pending":
            raise ResourceConflict(
                "The operation cannot be performed at this time. "
                "The function is currently in the following state: Pending"
            )
        return function

    def _reserved(self, name: str) -> int | None:
        reserved = self._lambdas.get_function_by_name_forbid_qualifier(name).reserved_concurrency
        return None if reserved is None else int(reserved)

    def _retries(self, name: str) -> int:
        configured = self._lambdas.get_function_by_name_forbid_qualifier(name).event_invoke_config
        return int(configured[0].config.get("MaximumRetryAttempts", 2)) if configured else 2


def _read_kind(header: str | None) -> InvocationKind:
    try:
        return InvocationKind(header or InvocationKind.REQUEST_RESPONSE)
    except ValueError as error:
        raise InvalidParameterValueException(f"Unknown invocation type {header}") from error


def _check_payload(payload: bytes, limit_bytes: int) -> None:
    if len(payload) > limit_bytes:
        raise RequestTooLarge(limit_bytes)
    if payload:
        try:
            json.loads(payload)
        except (ValueError, RecursionError) as error:
            message = f"Could not parse request body into json: {error}"
            raise LambdaClientError("InvalidRequestContentException", message) from error


def _decode_context(header: str | None) -> str | None:
    if not header:
        return None
    try:
        return json.dumps(json.loads(base64.b64decode(header, validate=True)))
    except ValueError as error:
        message = "Client context must be a valid Base64-encoded JSON object."
        raise LambdaClientError("InvalidRequestContentException", message) from error


def _describe(outcome: Outcome, *, tail: bool) -> dict[str, Any]:
    found = {
        "x-amz-executed-version": outcome.executed_version,
        "x-amzn-requestid": outcome.request_id,
        "Content-Length": str(len(outcome.payload)),
    }
    if outcome.failed:
        found["x-amz-function-error"] = UNHANDLED
    if tail:
        found["x-amz-log-result"] = base64.b64encode(outcome.log_tail).decode()
    return found
