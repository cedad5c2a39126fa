"""Prints, as JSON, how far serving is from training on the same bytes, and one engine from the other."""

from __future__ import annotations

import hashlib
import io
import json
import random
import sys
from pathlib import Path

import mxnet as mx
import numpy as np
from pictures import picture
from PIL import Image

from inference import engine, image, module, store
from inference.predictor import softmax
from training.imagery import decode
from training.model import Model

MODES = ("1", "L", "LA", "RGB", "RGBA", "CMYK", "I;16")
KINDS = {"CMYK": ("JPEG", "TIFF"), "L": ("PNG", "JPEG", "BMP", "TIFF", "WEBP"), "RGB": ("PNG", "JPEG", "BMP", "WEBP")}


def make_images() -> list:
    """Fifty images and more: every mode in every format that holds it, in many sizes."""
    chance = random.Random(50)
    made = []
    while len(made) < 56:
        mode = MODES[len(made) % len(MODES)]
        kind = chance.choice(KINDS.get(mode, ("PNG",)))
        size = (chance.randint(1, 200), chance.randint(1, 200))
        made.append(picture(len(made), size, mode="L" if mode in ("1", "I;16") else mode, kind=kind))
        if mode in ("1", "I;16"):
            made[-1] = convert(made[-1], mode)
    return made


def convert(data: bytes, mode: str) -> bytes:
    grey = Image.open(io.BytesIO(data))
    wide = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    sink = io.BytesIO()
    wide.save(sink, "PNG")
    return sink.getvalue()


def compare(archive: Path, folder: Path) -> dict:
    """Largest differences over all images: of pixels, of scores by engine, of probabilities by side."""
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    trained = Model(archive.parent, digest, folder, mx.cpu())
    release = store.Release(str(archive), store.Identity("parity", "1", digest))
    with store.opened(release) as artefact:
        signature = artefact.signature
        fast = engine.CPredictEngine(artefact, engine.find_library())
        slow = module.ModuleEngine(artefact)
    sides = (signature.channels, signature.height, signature.width)
    worst = {"pixels": 0.0, "engines": 0.0, "probabilities": 0.0}
    images = make_images()
    for data in images:
        pixels = np.asarray(decode(data, *sides), int) - np.asarray(image.open_resized(data, *sides), int)
        scores = fast.forward(image.decode(data, signature))
        others = slow.forward(image.decode(data, signature))
        widen(worst, "pixels", pixels)
        widen(worst, "engines", scores - others)
        widen(worst, "probabilities", softmax(scores) - trained.answer([data])[0])
    return {**worst, "images": len(images)}


def widen(worst: dict, name: str, differences: np.ndarray) -> None:
    worst[name] = max(worst[name], float(abs(differences).max()))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(compare(Path(sys.argv[1]), Path(sys.argv[2]))))
