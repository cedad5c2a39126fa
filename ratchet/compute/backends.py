"""Finds a compute backend by the one word in a pipeline's file: `compute: sagemaker` is `sagemaker.py` here."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

from ratchet.aws import Aws, Deployment
from ratchet.compute.order import Backend
from ratchet.errors import SpecError
from ratchet.settings import Settings

_MAKER = "\ndef make_backend("  # a file of this room that has one is a backend


@cache
def backend_names() -> tuple[str, ...]:
    """Every backend there is a file for."""
    files = (path for path in sorted(Path(__file__).parent.glob("*.py")) if path != Path(__file__))
    return tuple(path.stem for path in files if _MAKER in path.read_text("utf-8"))


def make_backend(name: str, aws: Aws, deployment: Deployment, settings: Settings) -> Backend:
    """Build the backend of a name; `SpecError` lists those that exist."""
    if name not in backend_names():
        raise SpecError(f"there is no compute backend {name!r}; there is: {', '.join(backend_names())}")
    module = importlib.import_module(f"ratchet.compute.{name}")
    backend: Backend = module.make_backend(aws, deployment, settings)
    return backend
