"""What both entry points answer: the image's own bytes are its label, unless a fault is wished for this model."""

import json
import os
from pathlib import Path

WISHES = Path(__file__).with_name("wishes.json")  # {"<digest>": {"ecs" or "lambda": "<fault>"}}


def wished_fault(target):
    wishes = json.loads(WISHES.read_text()) if WISHES.exists() else {}
    return wishes.get(os.environ.get("RATCHET_MODEL_SHA256", ""), {}).get(target, "")


def answer(image, fault):
    if not os.environ.get("RATCHET_MODEL_URI"):
        return 503, {"error": {"code": "no_model", "message": "no model has been released"}, "model": None}
    if fault == "error":
        return 500, {"error": {"code": "internal", "message": "cannot predict"}, "model": None}
    label = "?" if fault == "wrong" else image.decode()
    model = {
        "name": os.environ["RATCHET_MODEL_NAME"],
        "version": os.environ["RATCHET_MODEL_VERSION"],
        "digest": os.environ["RATCHET_MODEL_SHA256"],
    }
    return 200, {"predictions": [{"label": label, "probability": 0.9}], "model": model}
