"""The two ways serving fails: a request that cannot be answered, and a model that must not be served."""

from __future__ import annotations

from typing import Optional


class ServingError(Exception):
    """A request that gets an error for an answer.

    Parameters
    ----------
    status
        HTTP status of the answer.
    code
        A word for programs, for example `url_forbidden`.
    message
        A sentence for people: what is wrong and what is allowed.
    retry_after_seconds
        When the same request may succeed later; None when trying again is pointless.
    """

    def __init__(self, status: int, code: str, message: str, *, retry_after_seconds: Optional[int] = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_seconds = retry_after_seconds


def internal_error() -> ServingError:
    """The answer to a request that met a defect of this code."""
    return ServingError(500, "internal", "Something went wrong here; the log has it under the request's id.")


class ModelError(Exception):
    """The released model cannot be served; the message says which check failed."""


class StoreError(ModelError):
    """The place that holds the model did not answer; another attempt may succeed."""
