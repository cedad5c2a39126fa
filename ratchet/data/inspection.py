"""Everything that is known about a dataset version before money is spent on it, and how a person reads it."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ratchet.data.check import Finding

_BARS = 40
_BAR_HEIGHT, _BAR_ROOM, _LABEL_ROOM = 14, 420, 160
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body{{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1d2129;background:#fff}}
table{{border-collapse:collapse;margin:1rem 0}}td,th{{padding:.3rem .8rem;border-bottom:1px solid #ddd;text-align:left}}
td{{overflow-wrap:anywhere;vertical-align:top}}text{{font:12px system-ui,sans-serif;fill:#333}}
.good{{color:#1a7f37}}.bad{{color:#b3261e}}.old{{fill:#c9cdd4}}.new{{fill:#0b57d0}}
</style></head><body><h1>{title}</h1><p class="{kind}"><b>{verdict}</b></p><p>{facts}</p>
{findings}{plots}</body></html>"""


@dataclass(frozen=True)
class Inspection:
    """What was looked at and what was found.

    Attributes
    ----------
    classes, classes_before
        Examples of each class in this version, and in the one before it.
    sizes
        How often images have a size, as `<width> x <height>`.
    examined
        Images whose headers, or rows or records, that were read.
    """

    dataset: str
    version: str
    count: int
    total_bytes: int
    classes: Mapping[str, int]
    findings: tuple[Finding, ...] = ()
    version_before: str = ""
    classes_before: Mapping[str, int] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    examined: int = 0

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary, as the report's JSON file holds it."""
        return {**asdict(self), "passed": self.passed}

    def explain(self) -> str:
        """The findings for a log, one line each."""
        return "\n".join(map(_explain, self.findings))

    def to_html(self) -> str:
        """One page that needs nothing else."""
        facts = f"Version <code>{html.escape(self.version)}</code>: {self.count} objects, {self.total_bytes} bytes"
        if self.examined:
            facts += f", {self.examined} looked into"
        if self.version_before:
            facts += f"; before it <code>{html.escape(self.version_before[:12])}</code> (grey)"
        return _PAGE.format(
            title=f"Data check of {html.escape(self.dataset)}",
            kind="good" if self.passed else "bad",
            verdict="Every rule holds." if self.passed else f"{len(self.findings)} rule(s) do not hold.",
            facts=facts + ".",
            findings=_table(self.findings),
            plots=_bars("Examples of each class", self.classes, self.classes_before)
            + _bars("Sizes of images", dict(Counter(self.sizes).most_common(_BARS)), {}),
        )


def _explain(finding: Finding) -> str:
    examples = f", for example {', '.join(finding.examples)}" if finding.examples else ""
    return f"- {finding.rule}: found {finding.found}, allowed {finding.allowed}{examples}"


def _table(findings: tuple[Finding, ...]) -> str:
    if not findings:
        return ""
    rows = (
        "<tr>"
        + "".join(f"<td>{html.escape(text)}</td>" for text in (f.rule, f.found, f.allowed))
        + "<td>"
        + "<br>".join(map(html.escape, f.examples))
        + "</td></tr>"
        for f in findings
    )
    return "<table><tr><th>rule</th><th>found</th><th>allowed</th><th>examples</th></tr>" + "".join(rows) + "</table>"


def _bars(title: str, new: Mapping[str, int], old: Mapping[str, int]) -> str:
    names = sorted(set(new) | set(old))[:_BARS]
    if not names:
        return ""
    most = max([1, *new.values(), *old.values()])
    parts = []
    for number, name in enumerate(names):
        top = number * 2 * _BAR_HEIGHT
        parts.append(f'<text x="{_LABEL_ROOM - 8}" y="{top + 17}" text-anchor="end">{html.escape(name[:24])}</text>')
        for kind, figures, place in (("old", old, top + 3), ("new", new, top + 10)):
            width = _BAR_ROOM * figures.get(name, 0) / most
            parts.append(f'<rect class="{kind}" x="{_LABEL_ROOM}" y="{place}" width="{width:.1f}" height="7"/>')
        end = _LABEL_ROOM + _BAR_ROOM * max(new.get(name, 0), old.get(name, 0)) / most
        parts.append(f'<text x="{end + 6:.1f}" y="{top + 17}">{new.get(name, 0)}</text>')
    height = len(names) * 2 * _BAR_HEIGHT
    hidden = len(set(new) | set(old)) - len(names)
    more = f"<p>and {hidden} more</p>" if hidden else ""
    return f'<h2>{title}</h2><svg viewBox="0 0 660 {height}" role="img" width="660">{"".join(parts)}</svg>{more}'
