"""Settings of the engines that come from environment variables, each read in one way."""

from __future__ import annotations

from collections.abc import Mapping

_LONGEST_SECONDS = 3600.0


def read_seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    """Return a number of seconds between 0 and an hour.

    Raises
    ------
    ValueError
        When the variable is something else; the message names it.
    """
    try:
        value = float(environment.get(name, default))
    except ValueError as error:
        raise ValueError(f"{name}={environment[name]!r} is not a number of seconds") from error
    if not 0 <= value <= _LONGEST_SECONDS:
        raise ValueError(f"{name}={value} must be between 0 and {_LONGEST_SECONDS:.0f} seconds")
    return value
