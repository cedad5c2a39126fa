"""The evaluation as a person reads it: one HTML file that needs nothing else, and the confusion matrix as PNG."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

from PIL import Image, ImageDraw, ImageFont

_CELL = 44
_MARGIN = 70
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Evaluation</title><style>
body{{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1d2129}}
table{{border-collapse:collapse;margin:1rem 0}}
td,th{{padding:.3rem .8rem;border-bottom:1px solid #ddd;text-align:right}}
td:first-child,th:first-child{{text-align:left}}.good{{color:#1a7f37}}.bad{{color:#b3261e}}
figure{{display:inline-block;margin:.4rem;text-align:center;font-size:13px}}
figure img{{width:64px;height:64px;image-rendering:pixelated;border:1px solid #ccc}}
</style><h1>Evaluation on the frozen test split</h1>
<p>{count} examples, split <code>{digest}</code>.</p>
<h2>Against the champion</h2>{headline}
<h2>By class</h2>{classes}
<h2>Confusion of the challenger</h2><p>Rows are what it is, columns what the model says.</p>
<img alt="confusion matrix" src="data:image/png;base64,{confusion}">
<h2>What it gets wrong</h2>{mistakes}</html>"""
_FIGURES = (("accuracy", 1), ("top5_accuracy", 1), ("log_loss", -1))
_MISTAKES_SHOWN = 40


def write_report(target: Path, report: Dict[str, Any], mistakes: List[Tuple[str, str, bytes]]) -> None:
    """Write `report.html` and `confusion.png` into `target`.

    Parameters
    ----------
    report
        What `report.json` holds.
    mistakes
        For wrong answers of the challenger: the true label, the label it said, the PNG.
    """
    picture = draw_confusion(report["challenger"]["confusion"], report["labels"])
    (target / "confusion.png").write_bytes(picture)
    page = _PAGE.format(
        count=report["test_split"]["count"],
        digest=html.escape(report["test_split"]["digest"][:12]),
        headline=_headline(report["challenger"], report["champion"]),
        classes=_classes(report),
        confusion=base64.b64encode(picture).decode(),
        mistakes="".join(_mistake(*one) for one in mistakes[:_MISTAKES_SHOWN]) or "<p>Nothing.</p>",
    )
    (target / "report.html").write_text(page, "utf-8")


def draw_confusion(matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> bytes:
    """A confusion matrix as PNG: the darker, the larger the share of its row."""
    size = _MARGIN + _CELL * len(labels)
    image = Image.new("RGB", (size, size), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default()
    for row, label in enumerate(labels):
        total = max(1, sum(matrix[row]))
        place = _MARGIN + row * _CELL
        draw.text((4, place + _CELL // 3), label[:10], fill="black", font=font)
        draw.text((place + 6, _MARGIN - 18), label[:6], fill="black", font=font)
        for column, count in enumerate(matrix[row]):
            _draw_cell(draw, (_MARGIN + column * _CELL, place), count, count / total)
    sink = io.BytesIO()
    image.save(sink, "PNG")
    return sink.getvalue()


def _draw_cell(draw: Any, corner: Tuple[int, int], count: int, share: float) -> None:
    left, top = corner
    shade = int(255 - 200 * share)
    draw.rectangle([left, top, left + _CELL - 2, top + _CELL - 2], fill=(shade, shade, 255), outline=(220, 220, 220))
    if count:
        ink = "white" if share > 0.5 else "black"
        draw.text((left + _CELL // 3, top + _CELL // 3), str(count), fill=ink, font=ImageFont.load_default())


def _headline(challenger: Dict[str, Any], champion: Any) -> str:
    rows = ["<tr><th></th><th>challenger</th><th>champion</th><th>difference</th></tr>"]
    for name, good in _FIGURES:
        old = "" if champion is None else "%.4f" % champion[name]
        change = "" if champion is None else _change(challenger[name] - champion[name], good)
        rows.append(
            "<tr><td>%s</td><td>%.4f</td><td>%s</td>%s</tr>" % (name, challenger[name], old, change or "<td></td>")
        )
    return "<table>%s</table>" % "".join(rows)


def _change(value: float, good: int) -> str:
    kind = "good" if value * good > 0 else "bad" if value * good < 0 else ""
    return '<td class="%s">%+.4f</td>' % (kind, value)


def _classes(report: Dict[str, Any]) -> str:
    rows = ["<tr><th>class</th><th>examples</th><th>precision</th><th>recall</th><th>champion's recall</th></tr>"]
    for label in report["labels"]:
        mine = report["challenger"]["per_class"][label]
        theirs = report["champion"]["per_class"].get(label) if report["champion"] else None
        old = "%.3f" % theirs["recall"] if theirs else ""
        cells = (html.escape(label), mine["support"], mine["precision"], mine["recall"], old)
        rows.append("<tr><td>%s</td><td>%d</td><td>%.3f</td><td>%.3f</td><td>%s</td></tr>" % cells)
    return "<table>%s</table>" % "".join(rows)


def _mistake(truth: str, said: str, png: bytes) -> str:
    picture = base64.b64encode(png).decode()
    words = "is %s, said %s" % (html.escape(truth), html.escape(said))
    return '<figure><img alt="%s" src="data:image/png;base64,%s"><br>%s</figure>' % (words, picture, words)
