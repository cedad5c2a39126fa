"""Statistics of pixels, one image at a time: counts of whole numbers, so that the order of the images cannot matter."""

from __future__ import annotations

from typing import Any, Dict

import numpy as np

BINS = 32
_VALUES = 256
_LEAST_STD = 1.0


def count_values(array: np.ndarray) -> np.ndarray:
    """How often each value occurs in each channel: from (height, width, channels) uint8 to (channels, 256) int64."""
    planes = array.reshape(-1, array.shape[-1]).T
    return np.stack([np.bincount(plane, minlength=_VALUES) for plane in planes]).astype(np.int64)


class Pixels:
    """Mean, deviation and histogram of each channel over many images.

    Parameters
    ----------
    channels
        1 for grey, 3 for RGB.
    """

    def __init__(self, channels: int) -> None:
        self.counts = np.zeros((channels, _VALUES), dtype=np.int64)

    def add(self, counts: np.ndarray) -> None:
        """Take in what `count_values` says about an image."""
        self.counts += counts

    def describe(self) -> Dict[str, Any]:
        """`mean`, `std` (population, at least 1, both in units of 0 to 255) and `histogram` (32 bins) per channel."""
        values = np.arange(_VALUES, dtype=np.float64)
        totals = np.maximum(1, self.counts.sum(axis=1))
        mean = self.counts @ values / totals
        variance = np.maximum(0.0, self.counts @ values**2 / totals - mean**2)
        # A constant channel must not be divided by nothing.
        std = np.maximum(_LEAST_STD, np.sqrt(variance))
        histogram = self.counts.reshape(len(self.counts), BINS, -1).sum(axis=2)
        return {"mean": mean.tolist(), "std": std.tolist(), "histogram": histogram.tolist()}
