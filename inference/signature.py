"""What this server can feed: the rules a model's signature must keep before it is served."""

from __future__ import annotations

import math
from typing import Any, Sequence

from ratchet.contract import KINDS, TOKENIZERS, ContractError, Signature

MAX_SIDE_PIXELS = 4096
MAX_COLUMNS = 10_000
MAX_TOKENS = 10_000


def check_signature(signature: Signature, labels: Sequence[str]) -> None:
    """Refuse a signature that this server cannot keep.

    Parameters
    ----------
    signature
        As `signature.json` holds it.
    labels
        The lines of `synset.txt`.

    Raises
    ------
    ContractError
        Naming the field, its value and what is allowed.
    """
    for field, value, allowed in (
        ("dtype", signature.dtype, ("float32",)),
        ("layout", signature.layout, tuple(KINDS)),
        ("output", signature.output, ("logits", "probabilities")),
    ):
        _check_word(field, value, allowed)
    if not signature.labels or tuple(labels) != tuple(signature.labels):
        raise ContractError("signature.json and synset.txt do not name the same labels, or none")
    {"image": _check_image, "table": _check_table, "text": _check_text}[signature.kind](signature)


def _check_image(signature: Signature) -> None:
    _check_word("resize", signature.resize, ("bilinear",))
    _check_word("channels", signature.channels, (1, 3))
    _check_size("height", signature.height, MAX_SIDE_PIXELS)
    _check_size("width", signature.width, MAX_SIDE_PIXELS)
    _check_scaling(signature, signature.channels, "channels")


def _check_table(signature: Signature) -> None:
    _check_size("width", signature.width, MAX_COLUMNS)
    names = signature.features
    # Signatures of old tables name no columns.
    if names and (len(names) != signature.width or len(set(names)) != len(names)):
        raise ContractError("signature.json: features must name each of the %d columns once" % signature.width)
    _check_strings("features", names)
    _check_scaling(signature, signature.width, "columns")


def _check_text(signature: Signature) -> None:
    _check_word("tokenizer", signature.tokenizer, TOKENIZERS)
    _check_size("width", signature.width, MAX_TOKENS)
    _check_strings("vocabulary", signature.vocabulary)
    if len(set(signature.vocabulary)) != len(signature.vocabulary):
        raise ContractError("signature.json: vocabulary names a token twice")


def _check_word(field: str, value: Any, allowed: Sequence[Any]) -> None:
    if value not in allowed:
        raise ContractError("signature.json: %s is %r, this server knows %s" % (field, value, list(allowed)))


def _check_size(field: str, value: Any, most: int) -> None:
    if not isinstance(value, int) or not 1 <= value <= most:
        raise ContractError("signature.json: %s is %r, it must be 1 to %d" % (field, value, most))


def _check_strings(field: str, values: Sequence[Any]) -> None:
    if not all(isinstance(value, str) for value in values):
        raise ContractError("signature.json: %s must be strings" % field)


def _check_scaling(signature: Signature, count: int, what: str) -> None:
    if len(signature.mean) != count or len(signature.std) != count:
        raise ContractError("signature.json: mean and std need one number for each of the %s" % what)
    numbers = (*signature.mean, *signature.std, signature.scale)
    if not all(isinstance(number, (int, float)) and math.isfinite(number) for number in numbers):
        raise ContractError("signature.json: mean, std and scale must be finite numbers")
    if 0 in signature.std:
        raise ContractError("signature.json: std must not be zero")
