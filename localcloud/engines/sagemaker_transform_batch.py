"""From the bytes of an input object to the payloads that a model gets, and from its answers to the output: pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_MIB = 1024 * 1024
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")


class RecordTooLarge(Exception):
    """A record does not fit into a payload; the message says how large it may be."""


@dataclass(frozen=True)
class Batching:
    """How inputs are cut.

    Attributes
    ----------
    by_line
        Whether an object is cut at its line ends; else it is one record.
    several
        Whether a payload holds as many records as fit.
    limit_mib
        Most that a payload holds, in MiB; 0 for no limit.
    """

    by_line: bool
    several: bool
    limit_mib: int

    def cut(self, content: bytes) -> Iterator[bytes]:
        """Yield the payloads of an object, in its order; together they are the object, byte for byte.

        Raises
        ------
        RecordTooLarge
            At a record that does not fit.
        """
        payload = b""
        for record in _LINE.findall(content) if self.by_line else [content]:
            self._require_fit(record)
            if payload and not (self.several and self._fits(payload + record)):
                yield payload
                payload = b""
            payload += record
        if payload or not content:
            yield payload

    def _fits(self, payload: bytes) -> bool:
        return self.limit_mib == 0 or len(payload) <= self.limit_mib * _MIB

    def _require_fit(self, record: bytes) -> None:
        if not self._fits(record):
            raise RecordTooLarge(
                f"Maximum payload size exceeded: a record has {len(record)} bytes, a payload {self.limit_mib} MB"
            )


def assemble(answers: Iterable[bytes], *, by_line: bool) -> bytes:
    """Return the output: the answers one after the other, each on lines of its own when asked for."""
    return b"".join(answer.removesuffix(b"\n") + b"\n" if by_line else answer for answer in answers)
