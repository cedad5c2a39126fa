"""The evaluation as a person reads it: one HTML file that needs nothing else, and the confusion matrix as PNG."""

from __future__ import annotations

import base64
import html
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from ratchet.contract import CONFUSION_PNG, REPORT_HTML
from training.confusion import draw_confusion

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Evaluation</title><style>
body{{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1d2129}}
table{{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums}}
td,th{{padding:.3rem .8rem;border-bottom:1px solid #ddd;text-align:right}}
td:first-child,th:first-child{{text-align:left}}.good{{color:#1a7f37}}.bad{{color:#b3261e}}
.cards{{display:flex;gap:1rem;flex-wrap:wrap}}.card{{border:1px solid #ddd;border-radius:.5rem;padding:.6rem 1.2rem}}
.card b{{display:block;font-size:2rem;line-height:1.2}}img{{max-width:100%}}
figure{{display:inline-block;margin:.4rem;text-align:center;font-size:13px;max-width:10rem}}
figcaption{{overflow-wrap:anywhere}}
figure img{{width:72px;height:72px;object-fit:contain;image-rendering:pixelated;border:1px solid #ccc}}
</style></head><body><h1>Evaluation on the frozen test split</h1>
<p>{count} examples of dataset <b>{dataset}</b>, version <code>{version}</code>, split <code>{digest}</code>.</p>
<div class="cards">{cards}</div>
{headline}
<h2>By class</h2>{classes}
<h2>Confusion of the challenger</h2><p>Rows are what it is, columns what the model says.</p>
<img alt="confusion matrix" src="data:image/png;base64,{confusion}">
<h2>What it gets wrong</h2><p>{wrong}</p>{mistakes}</body></html>"""
# Name in the report, name for a person, and whether more is better.
_FIGURES = (
    ("accuracy", "accuracy", 1),
    ("top5_accuracy", "among the best five", 1),
    ("log_loss", "log loss", -1),
)


class Mistake(NamedTuple):
    """An example that the challenger takes for something else; `png` is empty for a row of a table."""

    key: str
    truth: str
    said: str
    confidence: float
    png: bytes


def write_report(target: Path, report: Dict[str, Any], mistakes: Sequence[Mistake]) -> None:
    """Write `report.html` and `confusion.png` into `target`.

    Parameters
    ----------
    report
        What `report.json` holds.
    mistakes
        Those to show; there may be more.
    """
    challenger = report["challenger"]
    picture = draw_confusion(challenger["confusion"], report["labels"])
    (target / CONFUSION_PNG).write_bytes(picture)
    count, right = report["test_split"]["count"], sum(challenger["correct"])
    page = _PAGE.format(
        count=count,
        dataset=html.escape(report["dataset"]),
        version=html.escape(report["dataset_version"][:12]),
        digest=html.escape(report["test_split"]["digest"][:12]),
        cards=_cards(report),
        headline=_headline(report),
        classes=_classes(report),
        confusion=base64.b64encode(picture).decode(),
        wrong="%d of %d; %d shown." % (count - right, count, len(mistakes)),
        mistakes="".join(map(_mistake, mistakes)),
    )
    (target / REPORT_HTML).write_text(page, "utf-8")


def _cards(report: Dict[str, Any]) -> str:
    cards = ['<div class="card">challenger<b>%.2f %%</b>accuracy</div>' % (100 * report["challenger"]["accuracy"])]
    if report["champion"]:
        change = report["differences"]
        cards.append('<div class="card">champion<b>%.2f %%</b>accuracy</div>' % (100 * report["champion"]["accuracy"]))
        words = (
            "only the challenger is right %(only_challenger_right)d times, only the champion %(only_champion_right)d"
        )
        kind = _judge(change["accuracy"], 1)
        cards.append(
            '<div class="card">difference<b class="%s">%+.2f points</b>%s</div>'
            % (kind, 100 * change["accuracy"], words % change)
        )
    else:
        cards.append('<div class="card">champion<b>none yet</b>there is nothing to compare with</div>')
    return "".join(cards)


def _headline(report: Dict[str, Any]) -> str:
    rows = ["<tr><th></th><th>challenger</th><th>champion</th><th>difference</th></tr>"]
    for name, words, good in _FIGURES:
        champion, change = report["champion"], report["differences"]
        old = _number(champion[name]) if champion else ""
        difference = _change(change[name], good) if change else "<td></td>"
        row = (words, _number(report["challenger"][name]), old, difference)
        rows.append("<tr><td>%s</td><td>%s</td><td>%s</td>%s</tr>" % row)
    return "<table>%s</table>" % "".join(rows)


def _classes(report: Dict[str, Any]) -> str:
    names = ("class", "examples", "precision", "recall", "F1", "champion's recall", "difference")
    rows = ["<tr>%s</tr>" % "".join("<th>%s</th>" % name for name in names)]
    for label in report["labels"]:
        mine = report["challenger"]["per_class"][label]
        cells: List[str] = [html.escape(label), str(mine["support"])]
        cells += [_number(mine[name]) for name in ("precision", "recall", "f1")]
        cells.append(_number(report["champion"]["per_class"][label]["recall"]) if report["champion"] else "")
        change = report["differences"]["recall"][label] if report["differences"] else None
        difference = "<td></td>" if change is None else _change(change, 1)
        rows.append("<tr>%s%s</tr>" % ("".join("<td>%s</td>" % cell for cell in cells), difference))
    return "<table>%s</table>" % "".join(rows)


def _number(value: Optional[float]) -> str:
    return "–" if value is None else "%.4f" % value


def _change(value: float, good: int) -> str:
    return '<td class="%s">%+.4f</td>' % (_judge(value, good), value)


def _judge(value: float, good: int) -> str:
    return "good" if value * good > 0 else "bad" if value * good < 0 else ""


def _mistake(mistake: Mistake) -> str:
    picture = base64.b64encode(mistake.png).decode()
    truth, said, key = (html.escape(text) for text in (mistake.truth, mistake.said, mistake.key))
    words = "is %s, said %s (%.0f %%)" % (truth, said, 100 * mistake.confidence)
    if not mistake.png:
        return "<figure><figcaption>%s %s</figcaption></figure>" % (key, words)
    return '<figure title="%s"><img alt="%s" src="data:image/png;base64,%s"><figcaption>%s</figcaption></figure>' % (
        key,
        words,
        picture,
        words,
    )
