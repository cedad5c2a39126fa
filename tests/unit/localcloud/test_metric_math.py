"""Metric math."""

import pytest

from localcloud.metric_math import ExpressionError, evaluate
from localcloud.metric_query import combine, read_query

ERRORS = {0.0: 1.0, 60.0: 0.0, 120.0: 4.0}
ALL = {0.0: 10.0, 60.0: 0.0, 120.0: 8.0, 180.0: 5.0}


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("100 * errors / all_", {0.0: 10.0, 120.0: 50.0}),
        ("errors + all_", {0.0: 11.0, 60.0: 0.0, 120.0: 12.0}),
        ("FILL(errors, 0) + all_", {0.0: 11.0, 60.0: 0.0, 120.0: 12.0, 180.0: 5.0}),
        ("SUM([errors, all_])", {0.0: 11.0, 60.0: 0.0, 120.0: 12.0, 180.0: 5.0}),
        ("MAX(METRICS())", {0.0: 10.0, 60.0: 0.0, 120.0: 8.0, 180.0: 5.0}),
        ("IF(all_ > 5, errors, 0)", {0.0: 1.0, 60.0: 0.0, 120.0: 4.0, 180.0: 0.0}),
        ("-errors", {0.0: -1.0, 60.0: 0.0, 120.0: -4.0}),
        (
            "errors - AVG(errors)",
            {0.0: pytest.approx(-2 / 3), 60.0: pytest.approx(-5 / 3), 120.0: pytest.approx(7 / 3)},
        ),
        ("CEIL(errors / 3)", {0.0: 1.0, 60.0: 0.0, 120.0: 2.0}),
    ],
)
def test_expressions_are_computed_period_by_period(expression, result):
    assert evaluate(expression, {"errors": ERRORS, "all_": ALL}) == result


@pytest.mark.parametrize(
    "expression",
    [
        "nobody",
        "errors +",
        "__import__('os').system('true')",
        "errors.real",
        "ANOMALY_DETECTION_BAND(errors)",
        "[errors, errors]",
        "SELECT AVG(x) FROM y",
        "(" * 300,
        "9" * 2000,
        "errors if errors else errors",
    ],
)
def test_what_is_not_there_is_refused(expression):
    with pytest.raises(ExpressionError):
        evaluate(expression, {"errors": ERRORS})


def test_expressions_may_use_each_other_in_any_order():
    shapes = [{"Id": "b", "Expression": "a * 2"}, {"Id": "a", "Expression": "m + 1"}]
    assert combine([read_query(shape) for shape in shapes], {"m": {0.0: 1.0}})["b"] == {0.0: 4.0}


def test_expressions_that_need_each_other_are_refused():
    shapes = [{"Id": "b", "Expression": "a"}, {"Id": "a", "Expression": "b"}]
    with pytest.raises(ExpressionError, match="need each other"):
        combine([read_query(shape) for shape in shapes], {})
