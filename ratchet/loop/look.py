"""What every wait of a run is made of: one `look` that may be repeated, and what it saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Look:
    """What one look saw.

    Attributes
    ----------
    done
        Whether waiting is over, well or badly; `outcome` then says how, in names and digests only.
    message
        One line for the person who watches; repeated lines are shown once.
    lines
        New lines of a remote log.
    """

    done: bool
    message: str = ""
    lines: tuple[str, ...] = ()
    outcome: Mapping[str, Any] = field(default_factory=dict)


class Watch(Protocol):
    """Something that is looked at until it is done."""

    def look(self) -> Look:
        """Look once; safe to repeat, also in another process."""
        ...

    def cancel(self) -> None:
        """End the remote work: a person gave up waiting."""
        ...
