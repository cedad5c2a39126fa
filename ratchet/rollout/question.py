"""One question to a served model, in the two forms that its targets take: an HTTP body, and a function's event."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Question:
    """What to POST to `/predict`, and what to invoke the function with."""

    body: bytes
    content_type: str
    event: Mapping[str, Any]


def about_image(image: bytes) -> Question:
    """Ask about an image's bytes."""
    return Question(image, "application/octet-stream", {"dataurl": base64.b64encode(image).decode()})


def about(asked: Mapping[str, Any]) -> Question:
    """Ask about rows or texts: `{"rows": …}`, `{"columns": …}` or `{"texts": …}`."""
    return Question(json.dumps(asked, allow_nan=False).encode(), "application/json", asked)
