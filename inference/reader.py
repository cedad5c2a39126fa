"""From what a caller sends to what the network is fed: one reader for each kind of model."""

from __future__ import annotations

from typing import Any, List, Mapping, Protocol, Sequence

import numpy as np

from inference import image
from inference.document import read_object
from inference.failure import ServingError
from inference.media import is_image_type, plain_type
from inference.row import read_columns, read_csv, read_rows
from inference.text import encode, read_plain, read_texts
from ratchet.contract import Signature, number_vocabulary

_JSON = "application/json"


class Reader(Protocol):
    """Reads one kind of example; each comes out as a batch of one, float32, in the order that was sent.

    Whatever is wrong with what was sent is a `ServingError` with status 4xx.
    """

    def refuse_type(self, content_type: str) -> None:
        """Raise 415 for a `Content-Type` that this model does not take."""

    def read(self, data: bytes, content_type: str) -> List[np.ndarray]:
        """Read a body."""

    def read_asked(self, asked: Mapping[str, Any]) -> List[np.ndarray]:
        """Read a JSON object."""


class ImageReader:
    """Reads images, one at a time."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature

    def refuse_type(self, content_type: str) -> None:
        """See `Reader`."""
        if not is_image_type(content_type):
            raise _wrong_type("an image: Content-Type image/*, application/jpeg or application/octet-stream")

    def read(self, data: bytes, content_type: str) -> List[np.ndarray]:
        """See `Reader`."""
        self.refuse_type(content_type)
        return [image.decode(data, self._signature)]

    def read_asked(self, asked: Mapping[str, Any]) -> List[np.ndarray]:
        """See `Reader`."""
        raise ServingError(400, "wrong_kind", "This model answers images, not rows or texts: send an image.")


class RowReader:
    """Reads rows of a table: `{"rows": [[…]]}`, `{"columns": {…}}`, or CSV with or without a header."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._mean = np.float32(signature.mean)
        self._factor = np.float32(signature.scale) / np.float32(signature.std)

    def refuse_type(self, content_type: str) -> None:
        """See `Reader`."""
        if plain_type(content_type) not in (_JSON, "text/csv"):
            raise _wrong_type('rows: {"rows": [[…]]} or {"columns": {…}} as application/json, or text/csv')

    def read(self, data: bytes, content_type: str) -> List[np.ndarray]:
        """See `Reader`."""
        self.refuse_type(content_type)
        if plain_type(content_type) == _JSON:
            return self.read_asked(read_object(data))
        return self._feed(read_csv(data, self._signature))

    def read_asked(self, asked: Mapping[str, Any]) -> List[np.ndarray]:
        """See `Reader`."""
        if ("rows" in asked) == ("columns" in asked):
            raise ServingError(
                400, "missing_rows", 'This model answers rows: send {"rows": [[…]]} or {"columns": {…}}.'
            )
        if "rows" in asked:
            return self._feed(read_rows(asked["rows"], self._signature))
        return self._feed(read_columns(asked["columns"], self._signature))

    def _feed(self, rows: Sequence[Sequence[float]]) -> List[np.ndarray]:
        batch = (np.array(rows, dtype=np.float32) - self._mean) * self._factor
        return [batch[place : place + 1] for place in range(len(batch))]


class TextReader:
    """Reads texts: `{"texts": […]}`, or one as plain text."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._numbers = number_vocabulary(signature.vocabulary)

    def refuse_type(self, content_type: str) -> None:
        """See `Reader`."""
        if plain_type(content_type) not in (_JSON, "text/plain"):
            raise _wrong_type('texts: {"texts": ["…"]} as application/json, or one as text/plain')

    def read(self, data: bytes, content_type: str) -> List[np.ndarray]:
        """See `Reader`."""
        self.refuse_type(content_type)
        if plain_type(content_type) == _JSON:
            return self.read_asked(read_object(data))
        return self._feed([read_plain(data)])

    def read_asked(self, asked: Mapping[str, Any]) -> List[np.ndarray]:
        """See `Reader`."""
        return self._feed(read_texts(asked))

    def _feed(self, texts: Sequence[str]) -> List[np.ndarray]:
        return [encode(text, self._signature, self._numbers) for text in texts]


def make_reader(signature: Signature) -> Reader:
    """The reader that a model's signature asks for."""
    readers = {"table": RowReader, "text": TextReader}
    reader: Reader = readers.get(signature.kind, ImageReader)(signature)
    return reader


def _wrong_type(wanted: str) -> ServingError:
    return ServingError(415, "content_type", "This model answers %s." % wanted)
