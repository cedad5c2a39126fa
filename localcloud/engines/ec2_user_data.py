"""What an instance runs at its first boot: the scripts in its user data, as cloud-init finds them."""

from __future__ import annotations

import base64
import binascii
import email
import gzip
import re
import zlib
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

_SCRIPT_TYPES = frozenset({"text/x-shellscript", "text/x-shellscript-per-boot", "text/x-shellscript-per-instance"})
_LIMIT_BYTES = 16 * 1024 * 1024
# Programs and files that scripts name by their path, and that must not be this machine's own.
_POWER = re.compile(r"(?<![\w/.-])(?:/usr)?/s?bin/(shutdown|poweroff|halt|reboot|sudo|systemctl)\b")
_ECS = re.compile(r"(?<![\w.-])/etc/ecs\b")


@dataclass(frozen=True)
class UserData:
    """What cloud-init makes of user data.

    Attributes
    ----------
    scripts
        In the order in which they run.
    notes
        Lines for the console about parts that are not run here.
    """

    scripts: tuple[bytes, ...] = ()
    notes: tuple[str, ...] = ()


def decode_user_data(encoded: str | bytes | None) -> bytes:
    """Return the bytes behind the API's base64; text that is none is taken as it is."""
    if not encoded:
        return b""
    raw = encoded.encode() if isinstance(encoded, str) else encoded
    try:
        return base64.b64decode(raw, validate=True)
    except (binascii.Error, ValueError):
        return raw


def read_user_data(content: bytes) -> UserData:
    """Find the scripts: one that begins with `#!`, packed or not, or the parts of a MIME message."""
    if content[:2] == b"\x1f\x8b":
        try:
            content = _unpack(content)
        except (OSError, EOFError, zlib.error, ValueError) as error:
            return UserData(notes=(f"cloud-init: the user data cannot be unpacked: {error}",))
    if not content.strip():
        return UserData()
    if content.lower().startswith((b"content-type: multipart", b"mime-version:")):
        return _read_message(email.message_from_bytes(content))
    return _read_part(content, "")


def relocate(script: bytes, folder: Path) -> bytes:
    """Return a script that names the instance's own stand-ins where it named this machine's programs and files."""
    text = script.decode("utf-8", errors="surrogateescape")
    text = _POWER.sub(lambda found: str(folder / "bin" / found[1]), text)
    text = _ECS.sub(lambda _found: str(folder / "etc" / "ecs"), text)
    return text.encode("utf-8", errors="surrogateescape")


def _unpack(content: bytes) -> bytes:
    unpacked = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(content, _LIMIT_BYTES + 1)
    if len(unpacked) > _LIMIT_BYTES:
        raise ValueError("it is too large")
    return unpacked or gzip.decompress(content)


def _read_message(message: Message) -> UserData:
    parts = [part for part in message.walk() if not part.is_multipart()]
    found = [_read_part(part.get_payload(decode=True), part.get_content_type()) for part in parts]  # type: ignore[arg-type]
    return UserData(
        tuple(script for each in found for script in each.scripts), tuple(note for each in found for note in each.notes)
    )


def _read_part(content: bytes, kind: str) -> UserData:
    if content.startswith(b"#!") or kind in _SCRIPT_TYPES:
        return UserData(scripts=(content,))
    name = content.splitlines()[0][:60].decode("utf-8", errors="replace") if content.strip() else kind
    return UserData(notes=(f"cloud-init: localcloud runs scripts only, and leaves out what begins with {name!r}",))
