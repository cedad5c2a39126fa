"""Size and channels of images by their files' first bytes: many at once, and no pixel is decoded."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ratchet.data.ahead import map_ahead
from ratchet.data.check import Finding, Offenders, describe, within
from ratchet.data.content import Content
from ratchet.data.manifest import Manifest, ObjectEntry
from ratchet.dataset_spec import Bound, Data
from ratchet.errors import NotFoundError

_WORKERS = 32
_FIRST_BYTES = 64 * 1024
_MORE_BYTES = 2 * 1024**2  # for photographs with a thumbnail before their size
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
_CHANNELS = {"RGBA": 4, "PA": 4, "CMYK": 4, "RGBa": 4, "RGB": 3, "P": 3, "YCbCr": 3, "LAB": 3, "HSV": 3}


@dataclass(frozen=True)
class Header:
    """What a file says of its image; `channels` is 0 when its first bytes do not say."""

    width: int = 0
    height: int = 0
    channels: int = 0


@dataclass
class HeaderReport:
    """What the headers say together: findings, how many were looked at, and how often each size occurs."""

    findings: list[Finding] = field(default_factory=list)
    examined: int = 0
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)


def check_headers(content: Content, manifest: Manifest, data: Data) -> HeaderReport:
    """Hold images against the rules of width, height and channels; up to `checks.headers` of them, evenly spread."""
    checks, report = data.checks, HeaderReport()
    gone, unreadable = Offenders(), Offenders()
    width, height, channels = Offenders(), Offenders(), Offenders()
    for entry, header in map_ahead(lambda one: (one, _look(content, one)), _spread(manifest, data), workers=_WORKERS):
        report.examined += 1
        if header is None:
            gone.add(entry.key)
        elif not header.channels:
            # One whose first megabytes say nothing may still be an image: `prepare` will see.
            if entry.size <= _MORE_BYTES:
                unreadable.add(entry.key)
        else:
            report.sizes[header.width, header.height] += 1
            _hold(width, header.width, checks.width, entry.key)
            _hold(height, header.height, checks.height, entry.key)
            if checks.channels and header.channels not in checks.channels:
                channels.add(f"{entry.key} has {header.channels}")
    allowed = ", ".join(map(str, checks.channels))
    found = [
        gone.finding("every object is still there", "{} deleted for good", "none"),
        width.finding("images are as wide as they may be", "{} others", describe(checks.width)),
        height.finding("images are as high as they may be", "{} others", describe(checks.height)),
        channels.finding("images have the right channels", "{} others", allowed),
    ]
    if 100 * unreadable.count > data.max_unreadable_percent * report.examined:
        limit = f"at most {data.max_unreadable_percent:g} %"
        found.append(unreadable.finding("images can be read", f"{{}} of {report.examined} cannot", limit))
    report.findings = [finding for finding in found if finding is not None]
    return report


def read_header(start: bytes) -> Header:
    """Read an image's size and channels from its file's first bytes."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of bombs: nothing is decoded here
            with Image.open(io.BytesIO(start), formats=_FORMATS) as image:
                return Header(image.width, image.height, _CHANNELS.get(image.mode, 1))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError, EOFError):
        return Header()


def _look(content: Content, entry: ObjectEntry) -> Header | None:
    try:
        header = read_header(content.head(entry, _FIRST_BYTES))
        if not header.channels and entry.size > _FIRST_BYTES:
            header = read_header(content.head(entry, _MORE_BYTES))
    except NotFoundError:
        return None
    return header


def _spread(manifest: Manifest, data: Data) -> Iterator[ObjectEntry]:
    step = -(-len(manifest.objects) // data.checks.headers)
    return (entry for number, entry in enumerate(manifest.objects) if number % step == 0)


def _hold(offenders: Offenders, value: int, bound: Bound | None, key: str) -> None:
    if bound is not None and not within(value, bound):
        offenders.add(f"{key} has {value}")
