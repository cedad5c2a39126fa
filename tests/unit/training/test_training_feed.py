"""What a network is fed: rows in the model's own order, whatever order the table has."""

from __future__ import annotations

import numpy as np
import pytest

from ratchet.contract import Signature
from training.container import DataProblem
from training.feed import make_arranger, make_feeder

ROWS = Signature(1, 1, 2, ("a", "b"), mean=(1.0, 10.0), std=(2.0, 5.0), layout="NC", features=("x", "y"))


def pack(*values: float) -> bytes:
    return np.array(values, dtype="<f4").tobytes()


def test_rows_are_fed_in_the_order_of_the_models_columns():
    assert make_feeder(ROWS)(pack(3, 20)).tolist() == [1.0, 2.0]
    assert make_feeder(ROWS, ("y", "new", "x"))(pack(20, 7, 3)).tolist() == [1.0, 2.0]
    assert make_arranger(ROWS, ("y", "new", "x"))(pack(20, 7, 3)).tolist() == [3.0, 20.0]


def test_a_table_without_one_of_the_models_columns_is_refused():
    with pytest.raises(DataProblem, match="needs the columns"):
        make_feeder(ROWS, ("y", "z"))
