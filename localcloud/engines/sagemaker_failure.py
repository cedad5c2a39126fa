"""Why a training job failed, in the words that SageMaker uses for it."""

from __future__ import annotations

REASON_LIMIT = 1024  # characters of FailureReason


class JobFailure(Exception):
    """The job cannot go on; the message is its FailureReason."""

    def __init__(self, reason: str) -> None:
        super().__init__(shorten(reason))


def shorten(reason: str, ending: str = "") -> str:
    """Cut a reason so that it fits FailureReason together with an ending that must stay."""
    return reason[: REASON_LIMIT - len(ending)] + ending


def explain_exit(code: int, said: str) -> str:
    """Word the end of a process that did not succeed.

    Parameters
    ----------
    code
        Its exit code; negative for the signal that killed it, as in `subprocess`.
    said
        What the process wrote to `/opt/ml/output/failure`, if anything.
    """
    # A container that dies of a signal has the exit code that a shell gives it.
    return shorten(f"AlgorithmError: {said}", f", exit code: {128 - code if code < 0 else code}")


def no_objects(uri: str, region: str, role: str) -> str:
    """Word a channel without data."""
    bucket = uri.removeprefix("s3://").partition("/")[0]
    return (
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket exists '
        f"in the selected region ({region}), that objects exist under that S3 prefix, and that the role "
        f'"{role}" has "s3:ListBucket" permissions on bucket "{bucket}".'
    )
