"""Texts from outside: counted, bounded, and cut into tokens as training did."""

from __future__ import annotations

from typing import Any, List, Mapping

import numpy as np

from inference.document import decode_text
from inference.failure import ServingError
from ratchet.contract import MAX_TEXT_LETTERS, Signature, number_tokens

MAX_TEXTS = 100


def read_texts(asked: Mapping[str, Any]) -> List[str]:
    """The texts of a JSON object.

    Raises
    ------
    ServingError
        400 for none, or what is no text; 413 for more than `MAX_TEXTS`, or one of more than `MAX_TEXT_LETTERS`.
    """
    texts = asked.get("texts")
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise ServingError(400, "missing_texts", 'This model answers texts: send {"texts": ["…"]}.')
    if len(texts) > MAX_TEXTS:
        message = "%d texts are too many: send at most %d at once."
        raise ServingError(413, "too_many_texts", message % (len(texts), MAX_TEXTS))
    return [_check(text) for text in texts]


def read_plain(data: bytes) -> str:
    """The one text that a body is; see `read_texts`."""
    return _check(decode_text(data))


def encode(text: str, signature: Signature, numbers: Mapping[str, int]) -> np.ndarray:
    """A batch of one, (1, length), float32, of a text's token numbers."""
    found = number_tokens(text, signature.tokenizer, numbers, signature.width)
    return np.array([found], dtype=np.float32)


def _check(text: str) -> str:
    if len(text) > MAX_TEXT_LETTERS:
        message = "A text has %d letters: send at most %d."
        raise ServingError(413, "text_too_long", message % (len(text), MAX_TEXT_LETTERS))
    if not text.strip():
        raise ServingError(400, "empty_text", "A text is empty.")
    return text
