"""What this server can feed: the rules a model's signature must keep before it is served."""

from __future__ import annotations

import math
from typing import Sequence

from ratchet.contract import ContractError, Signature

MAX_SIDE_PIXELS = 4096


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
        ("layout", signature.layout, ("NCHW",)),
        ("resize", signature.resize, ("bilinear",)),
        ("output", signature.output, ("logits", "probabilities")),
        ("channels", signature.channels, (1, 3)),
    ):
        if value not in allowed:
            raise ContractError("signature.json: %s is %r, this server knows %s" % (field, value, list(allowed)))
    for field, side in (("height", signature.height), ("width", signature.width)):
        if not isinstance(side, int) or not 1 <= side <= MAX_SIDE_PIXELS:
            raise ContractError("signature.json: %s is %r, it must be 1 to %d" % (field, side, MAX_SIDE_PIXELS))
    if not signature.labels or tuple(labels) != tuple(signature.labels):
        raise ContractError("signature.json and synset.txt do not name the same labels, or none")
    _check_scaling(signature)


def _check_scaling(signature: Signature) -> None:
    if len(signature.mean) != signature.channels or len(signature.std) != signature.channels:
        raise ContractError("signature.json: mean and std need one number for each of the channels")
    numbers = (*signature.mean, *signature.std, signature.scale)
    if not all(isinstance(number, (int, float)) and math.isfinite(number) for number in numbers):
        raise ContractError("signature.json: mean, std and scale must be finite numbers")
    if 0 in signature.std:
        raise ContractError("signature.json: std must not be zero")
