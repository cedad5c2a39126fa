"""Draws a confusion matrix as PNG with Pillow alone: training images need no plotting library."""

from __future__ import annotations

import io
from typing import Any, List, Sequence, Tuple

from PIL import Image, ImageDraw, ImageFont

_MARGIN = 92
_TOP = 64
_SCALE = 86
_MOST_PIXELS = 1600
_GREY = (220, 220, 220)
_STEPS = 100


def draw_confusion(matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> bytes:
    """A picture of a confusion matrix.

    Parameters
    ----------
    matrix
        Rows are what the examples are, columns what the model says; one more column than labels is "other".
    labels
        Names of the classes.

    Returns
    -------
    A PNG: the darker a cell, the larger its share of its row; counts where they fit, names of both axes, and a scale.
    """
    columns = list(labels) + ["other"] * (max(map(len, matrix)) - len(labels))
    cell = max(4, min(44, _MOST_PIXELS // len(columns)))
    width, height = _MARGIN + cell * len(columns) + _SCALE, _TOP + max(cell * len(labels), 120) + 12
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    draw.text((_MARGIN, 8), "what the model says", fill="black", font=ImageFont.load_default())
    draw.text((8, _TOP - 18), "what it is", fill="black", font=ImageFont.load_default())
    _draw_names(draw, columns, labels, cell)
    for row, counts in enumerate(matrix):
        total = max(1, sum(counts))
        for column, count in enumerate(counts):
            _draw_cell(draw, (_MARGIN + column * cell, _TOP + row * cell), cell, (count, count / total))
    _draw_scale(draw, _MARGIN + cell * len(columns) + 20)
    sink = io.BytesIO()
    image.save(sink, "PNG")
    return sink.getvalue()


def _draw_names(draw: Any, columns: List[str], rows: Sequence[str], cell: int) -> None:
    font = ImageFont.load_default()
    every = -(-12 // cell)  # names that would run into each other are left out
    for place, name in list(enumerate(columns))[::every]:
        draw.text((_MARGIN + place * cell + 3, _TOP - 18), _fit(name, every * cell), fill="black", font=font)
    for place, name in list(enumerate(rows))[::every]:
        draw.text((8, _TOP + place * cell + cell // 2 - 6), _fit(name, _MARGIN - 12), fill="black", font=font)


def _fit(name: str, pixels: int) -> str:
    # Older Pillows have a built-in font for Latin letters only.
    return name[: max(1, pixels // 7)].encode("latin-1", "replace").decode("latin-1")


def _colour(share: float) -> Tuple[int, int, int]:
    return (int(255 - 222 * share), int(255 - 167 * share), int(255 - 83 * share))


def _draw_cell(draw: Any, corner: Tuple[int, int], cell: int, value: Tuple[int, float]) -> None:
    (left, top), (count, share) = corner, value
    draw.rectangle([left, top, left + cell - 2, top + cell - 2], fill=_colour(share), outline=_GREY)
    if count and cell >= 7 * len(str(count)) + 4:
        ink = "white" if share > 0.5 else "black"
        place = (left + (cell - 7 * len(str(count))) // 2, top + cell // 2 - 6)
        draw.text(place, str(count), fill=ink, font=ImageFont.load_default())


def _draw_scale(draw: Any, left: int) -> None:
    font = ImageFont.load_default()
    for step in range(_STEPS):
        top = _TOP + _STEPS - 1 - step
        draw.line([left, top, left + 14, top], fill=_colour(step / (_STEPS - 1)))
    draw.text((left + 18, _TOP - 6), "100 %", fill="black", font=font)
    draw.text((left + 18, _TOP + _STEPS - 8), "0 %", fill="black", font=font)
    draw.text((left, _TOP + _STEPS + 6), "of row", fill="black", font=font)
