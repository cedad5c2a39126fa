"""Tables held against their schema and ranges, chunk by chunk, before anything trains on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ratchet.data.check import Finding, Offenders, check_classes, harmless
from ratchet.data.content import Content
from ratchet.data.manifest import Manifest, ObjectEntry
from ratchet.dataset_spec import Column, Data
from ratchet.errors import NotFoundError

_ROWS = 20_000
_TYPES = {"number": "float64", "integer": "int64", "text": "str"}


@dataclass
class ContentReport:
    """What the rows or records say together."""

    findings: list[Finding] = field(default_factory=list)
    examined: int = 0
    classes: Counter[str] = field(default_factory=Counter)


def check_tables(content: Content, manifest: Manifest, data: Data) -> ContentReport:
    """Read every table in a stream; a few thousand rows are in memory."""
    report, broken, cells = ContentReport(), Offenders(), _Cells()
    schema = _schema(data)
    for entry in manifest.objects:
        try:
            for chunk in _chunks(content, entry, data):
                report.examined += len(chunk)
                report.classes.update(chunk[data.csv.label_column])
                cells.hold(schema, chunk, entry.key)
        except NotFoundError:
            broken.add(f"{entry.key} is gone")
        except (ValueError, KeyError) as error:
            broken.add(f"{entry.key}: {' '.join(str(error).split())[:200]}")
    found = broken.finding("every table can be read and has its columns", "{} cannot", _columns_wanted(data))
    report.findings = ([found] if found else []) + cells.findings(data) + check_classes(report.classes, data)
    return report


def _chunks(content: Content, entry: ObjectEntry, data: Data) -> Iterator[Any]:
    import pandas

    wanted = set(_names_wanted(data))
    with content.open(entry) as stream:
        chunks = pandas.read_csv(
            stream, sep=data.csv.delimiter, dtype=str, keep_default_na=False, chunksize=_ROWS, encoding="utf-8-sig"
        )
        for chunk in chunks:
            missing = sorted(wanted - set(chunk.columns))
            if missing:
                raise KeyError(f"lacks the columns {', '.join(missing)}")
            yield chunk


class _Cells:
    """Cells that break a rule, by column and rule."""

    def __init__(self) -> None:
        self._offenders: dict[tuple[str, str], Offenders] = {}

    def hold(self, schema: Any, chunk: Any, key: str) -> None:
        from pandera.errors import SchemaErrors

        try:
            schema.validate(chunk.replace("", None)[list(schema.columns)], lazy=True)
        except SchemaErrors as error:
            for case in error.failure_cases.to_dict("records"):
                place = self._offenders.setdefault((str(case["column"]), _rule(str(case["check"]))), Offenders())
                row = "" if case["index"] is None else f" row {int(case['index']) + 1}"
                place.add(f"{key}{row}: {case['failure_case']}")

    def findings(self, data: Data) -> list[Finding]:
        return [
            Finding(
                f"column {column} {rule}",
                f"{offenders.count} cells",
                _describe(data.checks.columns.get(column, Column())),
                harmless(offenders.first),
            )
            for (column, rule), offenders in sorted(self._offenders.items())
        ]


def _schema(data: Data) -> Any:
    import pandera.pandas as pandera

    def column(rules: Column) -> Any:
        checks = [pandera.Check.ge(rules.min)] if rules.min is not None else []
        checks += [pandera.Check.le(rules.max)] if rules.max is not None else []
        checks += [pandera.Check.isin(rules.values)] if rules.values else []
        # Whole numbers with gaps are floats to pandas.
        kind = "Int64" if rules.type == "integer" and rules.empty else _TYPES[rules.type]
        return pandera.Column(kind, checks, nullable=rules.empty, coerce=True)

    rules = {name: Column() for name in data.csv.features} | dict(data.checks.columns)
    return pandera.DataFrameSchema({name: column(found) for name, found in rules.items()})


def _rule(check: str) -> str:
    if check.startswith(("coerce_dtype", "dtype")):
        return "holds its type"
    return "is filled" if check.startswith("not_nullable") else "is within its range"


def _describe(rules: Column) -> str:
    parts = [rules.type, "may be empty" if rules.empty else "never empty"]
    parts += [f"at least {rules.min:g}"] if rules.min is not None else []
    parts += [f"at most {rules.max:g}"] if rules.max is not None else []
    parts += ["one of " + ", ".join(rules.values)] if rules.values else []
    return ", ".join(parts)


def _columns_wanted(data: Data) -> str:
    return "columns " + ", ".join(_names_wanted(data))


def _names_wanted(data: Data) -> list[str]:
    text = [data.csv.text_column] if data.csv.text_column else []
    return list(dict.fromkeys([data.csv.label_column, *text, *data.csv.features, *data.checks.columns]))
