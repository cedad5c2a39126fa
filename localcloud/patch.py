"""Changes to moto's classes that can be taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Change = tuple[type, str, Any]


def change_classes(changes: Iterable[Change]) -> Callable[[], None]:
    """Set attributes of classes.

    Parameters
    ----------
    changes
        Class, name and new value; wrap functions in `classmethod` or `property` where they are meant as such.

    Returns
    -------
    Callable
        Restores what was there before.
    """
    before: list[tuple[type, str, list[Any]]] = []
    for owner, name, value in changes:
        before.append((owner, name, [owner.__dict__[name]] if name in owner.__dict__ else []))
        setattr(owner, name, value)

    def undo() -> None:
        for owner, name, found in reversed(before):
            if found:
                setattr(owner, name, found[0])
            else:
                delattr(owner, name)

    return undo
