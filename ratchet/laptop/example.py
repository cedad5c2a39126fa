"""Real data for the pipelines in `examples/`, written from what installed packages ship."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ratchet.errors import SpecError
from ratchet.laptop.digits import COUNT, write_digits
from ratchet.laptop.languages import write_languages
from ratchet.laptop.tumours import write_tumours

EXAMPLES: Mapping[str, Callable[[Path], int]] = {
    "digits": lambda folder: write_digits(folder, 0, COUNT),
    "languages": write_languages,
    "tumours": write_tumours,
}


def write_example(name: str, folder: Path) -> int:
    """Write the data of an example into `folder`; return how many examples it holds.

    Raises
    ------
    SpecError
        When there is no example of that name.
    """
    if name not in EXAMPLES:
        raise SpecError(f"there is no example {name!r}; there is: {', '.join(sorted(EXAMPLES))}")
    folder.mkdir(parents=True, exist_ok=True)
    return EXAMPLES[name](folder)
