"""Where a training computes in mixed precision."""

from __future__ import annotations

import pytest

from training.container import DataProblem
from training.precision import choose_precision


@pytest.mark.parametrize(
    ("asked", "gpus", "chosen"),
    [("auto", 0, "fp32"), ("auto", 1, "amp"), ("fp32", 0, "fp32"), ("fp32", 4, "fp32"), ("amp", 2, "amp")],
)
def test_a_gpu_decides_unless_the_pipeline_does(asked, gpus, chosen):
    assert choose_precision(asked, gpus) == chosen


def test_mixed_precision_without_a_gpu_is_refused():
    with pytest.raises(DataProblem, match="needs a GPU"):
        choose_precision("amp", 0)
