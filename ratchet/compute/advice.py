"""What a person can do about a job that failed, told from what it said."""

from __future__ import annotations

import re
from collections.abc import Reversible

_LINE_LIMIT = 300  # characters
# What a failure's message holds, and the sentence that follows it; the first one that fits.
_ADVICE = (
    (r"No space left on device", "Its disk was full: raise training.volume_gib, or write less beside the model"),
    (
        r"AccessDenied|Access Denied|not authorized|\(403\)|Forbidden",
        "The job's role may not: allow TrainingRole of infra/ratchet.yaml what the message names",
    ),
    (
        r"exit code: 137|MemoryError|out of memory",
        "It was killed, most often for want of memory: choose another training.instance_type, or a smaller batch-size",
    ),
    (
        r"MaxRuntimeInSeconds",
        "Raise training.max_runtime_seconds; the next attempt goes on from the last checkpoint if there is one",
    ),
)


def advise(message: str, lines: Reversible[str] = ()) -> str:
    """The message, and what to do about it when that can be told.

    Parameters
    ----------
    lines
        The end of the job's log: what the message leaves out is quoted from there.
    """
    for pattern, sentence in _ADVICE:
        for place in (message, *reversed(lines)):
            if re.search(pattern, place, re.IGNORECASE):
                quoted = "" if place is message else f": {place.strip()[:_LINE_LIMIT]}"
                return f"{message.rstrip('. ')}{quoted}. {sentence}"
    return message
