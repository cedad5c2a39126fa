"""Finds a compute backend by the one word in a pipeline's file: `compute: sagemaker` is `sagemaker.py` here."""

from __future__ import annotations

import importlib
from pathlib import Path

from ratchet.aws import Aws, Deployment
from ratchet.compute.order import Backend
from ratchet.errors import SpecError
from ratchet.settings import Settings

# The room's own files; every other one is a backend and has a function `make_backend`.
_NOT_BACKENDS = frozenset(
    {
        "__init__",
        "advice",
        "backends",
        "bundle",
        "cost",
        "course",
        "curve",
        "image",
        "log",
        "machine",
        "order",
        "placement",
        "placement_book",
        "quota",
    }
)


def backend_names() -> list[str]:
    """Every backend there is a file for."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in _NOT_BACKENDS)


def make_backend(name: str, aws: Aws, deployment: Deployment, settings: Settings) -> Backend:
    """Build the backend of a name; `SpecError` lists those that exist."""
    if name not in backend_names():
        raise SpecError(f"there is no compute backend {name!r}; there is: {', '.join(backend_names())}")
    module = importlib.import_module(f"ratchet.compute.{name}")
    backend: Backend = module.make_backend(aws, deployment, settings)
    return backend
