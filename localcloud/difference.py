"""The known differences from AWS, which the documentation lists and the conformance suite holds localcloud to."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

_FILE = Path(__file__).with_name("differences.toml")


@dataclass(frozen=True)
class Difference:
    """One thing that localcloud does otherwise.

    Attributes
    ----------
    name
        By which tests refer to it.
    service
        Name of the service in botocore.
    sentence, reason
        What users see, and why it is so.
    """

    name: str
    service: str
    sentence: str
    reason: str


def read_differences(file: Path = _FILE) -> list[Difference]:
    """Return the entries of a file in their order; `TypeError` for one that lacks something or has more."""
    with file.open("rb") as stream:
        return [Difference(**entry) for entry in tomllib.load(stream)["difference"]]


def list_for_docs(differences: list[Difference]) -> str:
    """Return the Markdown list that the documentation shows."""
    return "".join(f"- `{entry.service}`: {entry.sentence} {entry.reason}\n" for entry in differences)
