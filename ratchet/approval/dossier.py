"""What a person reads before saying yes or no: short tables, and every word that comes from data escaped."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ratchet.approval.evidence import ClassRecall, Verdict
from ratchet.approval.markdown import escape, fence, link, table
from ratchet.data import Diff
from ratchet.naming import short
from ratchet.registry import ModelVersion, Provenance

_WORST = 3
_ROWS_AT_MOST = 20


@dataclass(frozen=True)
class Dossier:
    """One page for the approver; `digest` is the SHA-256 of the artefact that the answer binds to."""

    subject: str
    markdown: str
    digest: str


def build_dossier(
    version: ModelVersion,
    champion: ModelVersion | None,
    *,
    verdict: Verdict,
    diff: Diff | None,
    plan_text: str,
    links: Mapping[str, str],
) -> Dossier:
    """Write the page.

    Parameters
    ----------
    version, champion
        What waits for an answer, and what serves now; None if nothing does.
    verdict
        The judge's.
    diff
        What changed in the dataset since the champion's; None if there is nothing to compare with.
    plan_text
        What the release would do.
    links
        Names to web addresses.
    """
    sections = [
        _summary(version, champion, verdict),
        "## Figures\n\n" + _figures(verdict),
        f"## Recall, worst {_WORST} classes\n\n" + _recalls(verdict),
        "## Gates\n\n" + _gates(verdict),
        "## Dataset\n\n" + _dataset(version, diff),
        "## Artefact\n\n" + _artefact(version),
        "## What a yes would do\n\n" + fence(plan_text),
    ]
    if links:
        sections.append("## Links\n\n" + "\n".join(f"- {link(name, url)}" for name, url in links.items()))
    return Dossier(_subject(version, verdict), "\n\n".join(sections) + "\n", version.digest)


def _subject(version: ModelVersion, verdict: Verdict) -> str:
    accuracy = next((row for row in verdict.comparisons if row.metric == "accuracy"), None)
    if accuracy is None:
        return f"Release {version.model} {version.version}?"
    change = "first model" if accuracy.difference is None else f"{accuracy.difference:+.4f} against the champion"
    return f"Release {version.model} {version.version}? Accuracy {_figure(accuracy.challenger)}, {change}"


def _summary(version: ModelVersion, champion: ModelVersion | None, verdict: Verdict) -> str:
    against = f"version {champion.version}" if champion else "nothing: it would be the first to serve"
    lines = [
        f"**{escape(version.model)} {version.version}** waits to replace {against}.",
        f"The gates say **{'passed' if verdict.passed else 'blocked'}**: {escape('; '.join(verdict.reasons), 600)}",
    ]
    compared = version.evaluation.get("champion_version")
    if champion is not None and compared != champion.version:
        lines.append(f"**Beware:** it was compared with version {escape(compared)}, which is not the champion now.")
    return "\n\n".join(lines)


def _figures(verdict: Verdict) -> str:
    rows = [
        (row.metric, _figure(row.challenger), _figure(row.champion), _figure(row.difference, "+"))
        for row in verdict.comparisons
    ]
    text = table(("metric", "challenger", "champion", "difference"), rows)
    sure = verdict.significance
    if sure is None:
        return text
    return (
        f"{text}\n\nThe difference in accuracy is {sure.difference:+.4f}, 95 % between {sure.low:+.4f} and "
        f"{sure.high:+.4f} (paired bootstrap, p {sure.p_value:.3f})."
    )


def _recalls(verdict: Verdict) -> str:
    measured = [row for row in verdict.recalls if row.support and not math.isnan(row.challenger)]
    rows = [
        (row.label, _figure(row.challenger), _figure(row.champion), _change(row), row.support)
        for row in sorted(measured, key=lambda row: (row.challenger, row.label))[:_WORST]
    ]
    return table(("class", "challenger", "champion", "difference", "test images"), rows)


def _gates(verdict: Verdict) -> str:
    failed_first = sorted(verdict.checks, key=lambda check: check.passed)
    rows = [(check.name, check.found, check.allowed, "passed" if check.passed else "FAILED") for check in failed_first]
    hidden = len(rows) - _ROWS_AT_MOST
    more = f"\n\nand {hidden} more" if hidden > 0 else ""
    return table(("gate", "found", "allowed", "result"), rows[:_ROWS_AT_MOST]) + more


def _dataset(version: ModelVersion, diff: Diff | None) -> str:
    name = escape(version.provenance.dataset)
    head = f"Dataset {name}, version `{_hex(version.provenance.dataset_version)}`."
    if diff is None:
        return f"{head} There is no earlier one to compare with."
    counts = f"{len(diff.added)} added, {len(diff.removed)} removed, {len(diff.changed)} changed"
    rows = sorted(_classes(diff), key=lambda row: (-sum(row[3:]), row[0]))
    shown = table(("class", "before", "now", "added", "removed", "changed"), rows[:_ROWS_AT_MOST])
    hidden = len(rows) - _ROWS_AT_MOST
    more = f"\n\nand {hidden} more classes" if hidden > 0 else ""
    return f"{head} Images since the champion's: {counts}.\n\n{shown}{more}"


def _classes(diff: Diff) -> Iterator[tuple[str, int, int, int, int, int]]:
    for label in sorted({*diff.old_histogram, *diff.new_histogram}):
        changes = (
            sum(key.startswith(f"{label}/") for key in keys) for keys in (diff.added, diff.removed, diff.changed)
        )
        added, removed, changed = changes
        yield label, diff.old_histogram.get(label, 0), diff.new_histogram.get(label, 0), added, removed, changed


def _artefact(version: ModelVersion) -> str:
    origin = version.provenance
    seconds = origin.billable_seconds
    rows = [
        ("SHA-256", version.digest),
        ("stored at", version.uri),
        ("training job", origin.job_name),
        ("training time", "unknown" if seconds is None else f"{seconds} s billed"),
        ("training cost", _cost(origin)),
        ("code", f"{short(origin.code_digest)}, commit {origin.git_commit[:12] or 'unknown'}"),
        ("parameters", ", ".join(f"{name} {value}" for name, value in sorted(origin.hyperparameters.items()))),
        ("run", origin.run_id),
        ("registered", version.created_at),
    ]
    return table(("what", "value"), rows)


def _cost(origin: Provenance) -> str:
    if origin.cost_usd is None:
        return "unknown"
    saved = f", {origin.saved_usd:.2f} USD saved by Spot" if origin.saved_usd else ""
    return f"{origin.cost_usd:.4f} USD by list prices{saved}"


def _hex(digest: str) -> str:
    """A digest's first twelve characters, if it is one: only letters and digits may stand in a code span."""
    return short("".join(mark for mark in digest if mark.isalnum()))


def _figure(value: float | None, sign: str = "") -> str:
    return "none" if value is None else f"{value:{sign}.4f}"


def _change(row: ClassRecall) -> str:
    return _figure(None if row.champion is None else row.challenger - row.champion, "+")
