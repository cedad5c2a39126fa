"""Metric math: the arithmetic of expressions over series, and the functions that alarms on ratios need."""

from __future__ import annotations

import ast
import math
import operator
import statistics
from collections.abc import Callable, Mapping, Sequence

Series = Mapping[float, float]
"""Value by the start of its period, in seconds since the epoch."""
Value = float | Series | list[Series]

_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_POINTWISE: dict[str, Callable[[float], float]] = {"ABS": abs, "CEIL": math.ceil, "FLOOR": math.floor}
_REDUCERS: dict[str, Callable[[Sequence[float]], float]] = {
    "SUM": sum,
    "AVG": statistics.fmean,
    "MIN": min,
    "MAX": max,
}
_LONGEST = 1024


class ExpressionError(Exception):
    """An expression cannot be read, or uses what there is not here; the message says which."""


def evaluate(expression: str, series: Mapping[str, Series]) -> Series:
    """Compute an expression.

    Parameters
    ----------
    series
        What the ids stand for. Periods in which one of them has no value, or a division is by zero, have no result.

    Raises
    ------
    ExpressionError
        For what is no expression, an unknown id, or a function that is not there.
    """
    if len(expression) > _LONGEST:
        raise ExpressionError(f"the expression is longer than {_LONGEST} characters")
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
        found = _Reader(series).value(tree)
    except (SyntaxError, RecursionError, ValueError, OverflowError) as error:
        raise ExpressionError(f"cannot read the expression {expression!r}: {error}") from error
    if isinstance(found, list):
        raise ExpressionError(f"{expression!r} is several series where one is wanted")
    if isinstance(found, float | int):
        return dict.fromkeys(sorted({at for each in series.values() for at in each}), float(found))
    return found


class _Reader:
    def __init__(self, series: Mapping[str, Series]) -> None:
        self._series = series
        self._grid = sorted({at for each in series.values() for at in each})

    def value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name(id=name):
                return self._named(name)
            case ast.List(elts=items):
                return [self._one(item) for item in items]
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name.upper(), arguments)
        return self._operate(node)

    def _operate(self, node: ast.expr) -> Value:
        match node:
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return _pointwise(self.value(operand), operator.neg)
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _OPERATORS:
                return _combine(self.value(left), self.value(right), _OPERATORS[type(sign)])
            case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in _COMPARISONS:
                compare = _COMPARISONS[type(sign)]
                return _combine(self.value(left), self.value(right), lambda a, b: float(compare(a, b)))
        raise ExpressionError(f"metric math here has no {ast.unparse(node)!r}")

    def _named(self, name: str) -> Series:
        if name not in self._series:
            raise ExpressionError(f"there is no query with the id {name}")
        return self._series[name]

    def _one(self, node: ast.expr) -> Series:
        found = self.value(node)
        if isinstance(found, list | float):
            raise ExpressionError(f"{ast.unparse(node)!r} is no series")
        return found

    def _call(self, name: str, arguments: list[ast.expr]) -> Value:
        if name == "METRICS" and not arguments:
            return list(self._series.values())
        if name in _POINTWISE and len(arguments) == 1:
            return _pointwise(self.value(arguments[0]), _POINTWISE[name])
        if name in _REDUCERS and len(arguments) == 1:
            return _reduce(self.value(arguments[0]), _REDUCERS[name])
        if name == "FILL" and len(arguments) == 2:
            return self._fill(self._one(arguments[0]), arguments[1])
        if name == "IF" and len(arguments) in (2, 3):
            return self._choose(*arguments)
        raise ExpressionError(f"metric math here has no {name} with {len(arguments)} arguments")

    def _fill(self, series: Series, filler: ast.expr) -> Series:
        number = self.value(filler)
        if not isinstance(number, float):
            raise ExpressionError("FILL takes a number here")
        return {at: series.get(at, number) for at in self._grid}

    def _choose(self, condition: ast.expr, then: ast.expr, otherwise: ast.expr | None = None) -> Series:
        asked = self._spread(self.value(condition))
        good = self._spread(self.value(then))
        bad = {} if otherwise is None else self._spread(self.value(otherwise))
        chosen = {at: (good if asked[at] else bad).get(at) for at in asked}
        return {at: value for at, value in chosen.items() if value is not None}

    def _spread(self, found: Value) -> Series:
        if isinstance(found, list):
            raise ExpressionError("IF takes numbers and single series")
        return dict.fromkeys(self._grid, found) if isinstance(found, float) else found


def _pointwise(found: Value, change: Callable[[float], float]) -> Value:
    if isinstance(found, float):
        return float(change(found))
    if isinstance(found, list):
        return [{at: float(change(value)) for at, value in series.items()} for series in found]
    return {at: float(change(value)) for at, value in found.items()}


def _combine(left: Value, right: Value, join: Callable[[float, float], float]) -> Value:
    if isinstance(left, list) or isinstance(right, list):
        raise ExpressionError("an operator takes numbers and single series; SUM([…]) makes one of several")
    if isinstance(left, float) and isinstance(right, float):
        return float(join(left, right))
    grid = [each.keys() for each in (left, right) if not isinstance(each, float)]
    found: dict[float, float] = {}
    for at in sorted(set.intersection(*map(set, grid))):
        a = left if isinstance(left, float) else left[at]
        b = right if isinstance(right, float) else right[at]
        try:
            value = join(a, b)
        except (ZeroDivisionError, OverflowError):
            continue
        if isinstance(value, complex) or not math.isfinite(value):
            continue
        found[at] = float(value)
    return found


def _reduce(found: Value, join: Callable[[Sequence[float]], float]) -> Value:
    """Several series become one, period by period; one series becomes a number."""
    if isinstance(found, float):
        return found
    if isinstance(found, list):
        grid = sorted({at for series in found for at in series})
        return {at: float(join([series[at] for series in found if at in series])) for at in grid}
    return float(join(list(found.values()))) if found else {}
