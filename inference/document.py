"""JSON from outside: an object of bounded size with finite numbers, or a refusal."""

from __future__ import annotations

import json
from typing import Any, Dict, NoReturn

from inference.failure import ServingError

MAX_DOCUMENT_BYTES = 2 * 1024 * 1024


def read_object(data: bytes) -> Dict[str, Any]:
    """Read a JSON object; all its numbers are floats.

    Raises
    ------
    ServingError
        400 for what is no JSON object, 413 for more than `MAX_DOCUMENT_BYTES`.
    """
    text = decode_text(data)
    try:
        # Whole numbers as floats: reading a million digits exactly takes seconds.
        value = json.loads(text, parse_int=float, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ServingError(400, "bad_json", "The body is no JSON that can be read: %s." % _first_line(error)) from error
    if not isinstance(value, dict):
        raise ServingError(400, "bad_json", "The body must be a JSON object.")
    return value


def decode_text(data: bytes) -> str:
    """UTF-8 text of bounded size; see `read_object`."""
    if not data:
        raise ServingError(400, "empty_body", "There are no bytes in the body.")
    if len(data) > MAX_DOCUMENT_BYTES:
        raise ServingError(413, "body_too_large", "The body is larger than %d bytes." % MAX_DOCUMENT_BYTES)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ServingError(400, "bad_text", "The body is no UTF-8 text.") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError("%s is no number" % name)


def _first_line(error: Exception) -> str:
    return str(error)[:100] or type(error).__name__
