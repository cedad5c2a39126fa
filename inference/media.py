"""Which content types announce an image."""

from __future__ import annotations

_OTHER_IMAGE_TYPES = ("application/jpeg", "application/x-image", "application/octet-stream")


def is_image_type(content_type: str) -> bool:
    """Whether a `Content-Type` header announces image bytes; what they are, the decoder decides."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind.startswith("image/") or kind in _OTHER_IMAGE_TYPES
