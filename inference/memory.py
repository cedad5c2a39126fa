"""Gives the memory of large images back to the system as soon as they are done with."""

from __future__ import annotations

import ctypes

_M_MMAP_THRESHOLD = -3  # malloc.h
_LARGE_BYTES = 1024 * 1024


def release_large_blocks() -> bool:
    """Have glibc map each large block by itself, so that freeing it shrinks the process; False elsewhere.

    Left alone, glibc learns from the first large image to keep such blocks, and the process stays at its peak.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES) == 1
