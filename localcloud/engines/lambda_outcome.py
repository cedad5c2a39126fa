"""What came of an invocation, in the words AWS uses for each way to fail."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass

UNHANDLED = "Unhandled"


@dataclass(frozen=True)
class Verdict:
    """How an invocation ended.

    Attributes
    ----------
    payload
        What the caller gets: the handler's JSON, or a description of the error.
    failed
        Whether AWS would set the FunctionError header.
    status, error_type
        For the REPORT line: `error` or `timeout`, and for example `Runtime.OutOfMemory`.
    message
        A line for the function's log, if there is one.
    reusable
        Whether the environment may take another invocation.
    """

    payload: bytes
    failed: bool = False
    status: str | None = None
    error_type: str | None = None
    message: str | None = None
    reusable: bool = True


@dataclass(frozen=True)
class Outcome:
    """What the caller of Invoke learns; `log_tail` holds the last 4 KiB of the log."""

    request_id: str
    payload: bytes
    failed: bool
    executed_version: str
    log_tail: bytes
    duration_ms: float = 0.0


def succeed(payload: bytes) -> Verdict:
    """The handler returned."""
    return Verdict(payload)


def fail(payload: bytes) -> Verdict:
    """The handler raised; the environment stays warm, as on AWS."""
    return Verdict(payload, failed=True, status="error", error_type=_read_error_type(payload))


def fail_init(payload: bytes) -> Verdict:
    """The handler could not be loaded."""
    return Verdict(payload, failed=True, status="error", error_type=_read_error_type(payload), reusable=False)


def time_out(request_id: str, seconds: float) -> Verdict:
    """The function ran longer than its timeout."""
    message = f"Task timed out after {seconds:.2f} seconds"
    payload = _describe("Sandbox.Timedout", f"RequestId: {request_id} Error: {message}")
    return Verdict(payload, failed=True, status="timeout", message=f"{request_id} {message}", reusable=False)


def exceed_response(request_id: str, limit_bytes: int) -> Verdict:
    """The response is over the limit; the runtime ends when it is refused."""
    text = f"Response payload size exceeded maximum allowed payload size ({limit_bytes} bytes)."
    kind = "Function.ResponseSizeTooLarge"
    return Verdict(
        _describe(kind, text),
        failed=True,
        status="error",
        error_type=kind,
        message=f"{request_id} {text}",
        reusable=False,
    )


def exit_early(request_id: str, code: int, *, out_of_memory: bool) -> Verdict:
    """The process ended before it answered.

    Parameters
    ----------
    code
        Exit status; negative is the signal that ended it, as in `subprocess`.
    """
    reason = _name_exit(code, out_of_memory=out_of_memory)
    text = f"RequestId: {request_id} Error: {reason}"
    return Verdict(
        _describe("Runtime.ExitError", text),
        failed=True,
        status="error",
        error_type="Runtime.OutOfMemory" if out_of_memory else "Runtime.ExitError",
        message=f"{text}\nRuntime.ExitError",
        reusable=False,
    )


def _name_exit(code: int, *, out_of_memory: bool) -> str:
    if out_of_memory or code == -signal.SIGKILL:
        return "Runtime exited with error: signal: killed"
    if code < 0:
        name = (signal.strsignal(-code) or str(-code)).lower()
        return f"Runtime exited with error: signal: {name}"
    if code == 0:
        return "Runtime exited without providing a reason"
    return f"Runtime exited with error: exit status {code}"


def _read_error_type(payload: bytes) -> str:
    try:
        found = json.loads(payload)
    except ValueError:
        return "Runtime.Unknown"
    kind = found.get("errorType") if isinstance(found, dict) else None
    return kind if isinstance(kind, str) and kind else "Runtime.Unknown"


def _describe(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()
