"""The demo's data: scikit-learn's 1,797 scans of handwritten digits, as one PNG file each."""

from __future__ import annotations

from pathlib import Path

COUNT = 1797
_DARKEST = 16  # the scans' pixels go from 0 to 16


def write_digits(folder: Path, first: int, last: int) -> int:
    """Write scans `first` to `last` (excluded) as `folder/<label>/digit-NNNN.png`, 8x8 pixels, grey.

    Returns
    -------
    How many files were written.
    """
    import numpy
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number in range(first, min(last, COUNT)):
        file = folder / str(digits.target[number]) / f"digit-{number:04d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = (digits.images[number] * (255 / _DARKEST)).round().astype(numpy.uint8)
        Image.fromarray(pixels, mode="L").save(file)
    return min(last, COUNT) - first
