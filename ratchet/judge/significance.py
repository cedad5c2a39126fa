"""How sure a difference in accuracy is: a paired bootstrap over the test images."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

_RESAMPLES = 1000
_FEWEST_RESAMPLES = 200
_DRAWS_AT_MOST = 10_000_000  # some seconds of pure Python
_SEED = 20_180_601


@dataclass(frozen=True)
class Significance:
    """The difference in accuracy, challenger minus champion, and its uncertainty.

    Attributes
    ----------
    difference
        As measured.
    low, high
        The middle 95 % of the resampled differences.
    p_value
        Share of resamples in which the challenger is no better; small means that it surely is.
    resamples
        How often the test split was drawn again, with replacement.
    """

    difference: float
    low: float
    high: float
    p_value: float
    resamples: int


def compare_paired(challenger: Sequence[int], champion: Sequence[int], seed: int = _SEED) -> Significance:
    """Paired bootstrap (Efron 1979; percentile interval) of the difference in accuracy.

    Parameters
    ----------
    challenger, champion
        1 where a model recognised the image, 0 where not; the same images in the same order.
    seed
        The same seed gives the same figures.
    """
    pairs = [new - old for new, old in zip(challenger, champion, strict=True)]
    count = len(pairs)
    resamples = max(_FEWEST_RESAMPLES, min(_RESAMPLES, _DRAWS_AT_MOST // count))
    generator = random.Random(seed)  # noqa: S311 - resampling keeps no secret
    means = sorted(sum(generator.choices(pairs, k=count)) / count for _ in range(resamples))
    no_better = sum(mean <= 0 for mean in means)
    return Significance(
        difference=sum(pairs) / count,
        low=means[round(0.025 * (resamples - 1))],
        high=means[round(0.975 * (resamples - 1))],
        p_value=(no_better + 1) / (resamples + 1),
        resamples=resamples,
    )
