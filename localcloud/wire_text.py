"""Values that travel as text, in forms, headers, query strings and XML, as the types that their shapes name."""

from __future__ import annotations

from typing import Any

_NUMBERS: dict[str, type[int] | type[float]] = {"integer": int, "long": int, "float": float, "double": float}


def read_scalar(kind: str, text: Any) -> Any:
    """Return numbers and truth values from text; what cannot be read stays text, and validation says so."""
    if kind == "boolean":
        return {"true": True, "false": False}.get(str(text).strip().lower(), text)
    if kind in _NUMBERS:
        try:
            return _NUMBERS[kind](text)
        except (TypeError, ValueError):
            return text
    return text
