"""The learning curve as a page: one HTML file that needs nothing else, drawn from the epochs of a training."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from ratchet.compute.course import Epoch

_WIDTH, _HEIGHT, _MARGIN, _RIGHT = 640, 260, 50, 30
_PLOTS = (
    ("Loss", (("train_loss", "training", "#8a5a00"), ("validation_loss", "validation", "#0b57d0"))),
    ("Accuracy", (("train_accuracy", "training", "#8a5a00"), ("validation_accuracy", "validation", "#0b57d0"))),
    ("Samples a second", (("samples_per_second", "training", "#8a5a00"),)),
)
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body{{font:15px/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem;color:#1d2129;background:#fff}}
svg{{width:100%;height:auto}}text{{font:12px system-ui,sans-serif;fill:#555}}
.grid{{stroke:#e3e3e3}}.curve{{fill:none;stroke-width:2}}
</style></head><body><h1>{title}</h1><p>{subtitle}</p>{plots}</body></html>"""
Series = tuple[str, str, str]
Point = tuple[float, float]


def draw_page(job: str, epochs: Sequence[Epoch], subtitle: str) -> str:
    """Draw the page of a job.

    Parameters
    ----------
    job
        Its name.
    epochs
        Metrics of each complete epoch, in order; values that are no finite numbers are left out.
    subtitle
        One sentence below the title.
    """
    plots = "".join(_plot(name, series, epochs) for name, series in _PLOTS)
    return _PAGE.format(title=html.escape(f"Learning curve of {job}"), subtitle=html.escape(subtitle), plots=plots)


def _plot(name: str, series: Sequence[Series], epochs: Sequence[Epoch]) -> str:
    curves = {key: _points(epochs, key) for key, _, _ in series}
    every = [point for points in curves.values() for point in points]
    if not every:
        return ""
    scale = _Scale(every)
    drawn = "".join(_curve(scale, curves[key], label, colour) for key, label, colour in series if curves[key])
    legend = "".join(
        f'<text x="{_MARGIN + 110 * place}" y="14" style="fill:{colour}">{label}</text>'
        for place, (_, label, colour) in enumerate(series)
    )
    return (
        f'<h2>{name}</h2><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{name} by epoch">'
        f"{scale.grid()}{legend}{drawn}</svg>"
    )


def _points(epochs: Sequence[Epoch], key: str) -> list[Point]:
    return [(epoch["epoch"], epoch[key]) for epoch in epochs if math.isfinite(epoch.get(key, math.nan))]


class _Scale:
    """From epochs and values to places on the picture."""

    def __init__(self, points: Sequence[Point]) -> None:
        self.left, self.right = min(x for x, _ in points), max(x for x, _ in points)
        low, high = min(y for _, y in points), max(y for _, y in points)
        room = (high - low or abs(high) or 1.0) * 0.05
        self.low, self.high = low - room, high + room

    def place(self, point: Point) -> Point:
        x, y = point
        across = (x - self.left) / (self.right - self.left or 1.0)
        up = (y - self.low) / (self.high - self.low)
        return _MARGIN + across * (_WIDTH - _MARGIN - _RIGHT), _HEIGHT - 28 - up * (_HEIGHT - 52)

    def grid(self) -> str:
        lines = []
        for step in range(5):
            value = self.low + (self.high - self.low) * step / 4
            _, y = self.place((self.left, value))
            lines.append(f'<line class="grid" x1="{_MARGIN}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            lines.append(f'<text x="{_MARGIN - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>')
        for x in {self.left, self.right}:
            across, _ = self.place((x, self.low))
            lines.append(f'<text x="{across:.1f}" y="{_HEIGHT - 8}" text-anchor="middle">epoch {x:.0f}</text>')
        return "".join(lines)


def _curve(scale: _Scale, points: Sequence[Point], label: str, colour: str) -> str:
    places = [scale.place(point) for point in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"><title>{label}, epoch {point[0]:.0f}: '
        f"{point[1]:.4g}</title></circle>"
        for point, (x, y) in zip(points, places, strict=True)
    )
    return f'<polyline class="curve" stroke="{colour}" points="{path}"/>{dots}'
