"""Plain Python values to DynamoDB's typed form and back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ratchet.errors import SpecError

_KINDS: Mapping[str, Callable[[Any], Any]] = {
    "S": str,
    "BOOL": bool,
    "NULL": lambda _: None,
    "N": lambda text: int(text) if text.lstrip("-").isdigit() else float(text),
    "L": lambda values: [unmarshal(value) for value in values],
    "M": lambda values: {name: unmarshal(value) for name, value in values.items()},
}


def marshal(value: Any) -> dict[str, Any]:
    """Write one value in DynamoDB's typed form; `SpecError` for a type that no record holds.

    DynamoDB knows neither infinity nor NaN: those become the strings that `float` reads back.
    """
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": str(value)}
    if isinstance(value, int | float):
        return {"N": repr(value)} if math.isfinite(value) else {"S": str(value)}
    if isinstance(value, Mapping):
        return {"M": marshal_item(value)}
    if isinstance(value, list | tuple):
        return {"L": [marshal(item) for item in value]}
    raise SpecError(f"a record cannot hold a {type(value).__name__}: {value!r}")


def marshal_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Write a whole item."""
    return {str(name): marshal(value) for name, value in item.items()}


def unmarshal(value: Mapping[str, Any]) -> Any:
    """Read one typed value; a number without a fraction is an `int`."""
    ((kind, raw),) = value.items()
    return _KINDS[kind](raw)


def unmarshal_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Read a whole item."""
    return {name: unmarshal(value) for name, value in item.items()}


def stored_form(value: Any) -> Any:
    """What a value reads like after it was stored: for comparing with what is there."""
    return unmarshal(marshal(value))
