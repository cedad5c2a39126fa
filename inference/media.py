"""What a `Content-Type` header announces."""

from __future__ import annotations

ANY_IMAGE = "application/octet-stream"  # of bytes that come without a type
_OTHER_IMAGE_TYPES = ("application/jpeg", "application/x-image", ANY_IMAGE)


def plain_type(content_type: str) -> str:
    """A content type without its parameters, in small letters."""
    return content_type.partition(";")[0].strip().lower()


def is_image_type(content_type: str) -> bool:
    """Whether a `Content-Type` header announces image bytes; what they are, the decoder decides."""
    kind = plain_type(content_type)
    return kind.startswith("image/") or kind in _OTHER_IMAGE_TYPES
