"""The root access key of this instance: made once, kept in its home, readable by its owner alone."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_KEY_FILE = "access-key.json"
_INSTANCE_FILE = "instance.json"


@dataclass(frozen=True)
class AccessKey:
    """An id, which requests name, and a secret, which they are signed with."""

    id: str
    secret: str

    @classmethod
    def make(cls) -> AccessKey:
        """Return a new one, in the form of AWS's."""
        return cls("AKIA" + base64.b32encode(secrets.token_bytes(10)).decode(), secrets.token_urlsafe(30))

    def variables(self) -> dict[str, str]:
        """Return what every AWS SDK reads it from."""
        return {"AWS_ACCESS_KEY_ID": self.id, "AWS_SECRET_ACCESS_KEY": self.secret}


def find_access_key(home: Path, environment: Mapping[str, str]) -> AccessKey:
    """Return the key that the environment gives, or the one kept in this home, or a new one that is kept there.

    Raises
    ------
    ValueError
        When the environment gives one half of a key, or the kept file is not one.
    """
    given = [environment.get(f"LOCALCLOUD_{name}", "") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")]
    if all(given):
        return AccessKey(*given)
    if any(given):
        raise ValueError("set both of LOCALCLOUD_ACCESS_KEY_ID and LOCALCLOUD_SECRET_ACCESS_KEY, or neither")
    return _kept(home / _KEY_FILE)


def _kept(file: Path) -> AccessKey:
    try:
        found = json.loads(file.read_text("utf-8"))
        return AccessKey(found["id"], found["secret"])
    except FileNotFoundError:
        made = AccessKey.make()
        write_private(file, {"id": made.id, "secret": made.secret})
        return made
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} holds no access key: remove it, and a new one is made") from error


def instance_file(home: Path) -> Path:
    """Where an instance tells its owner how to reach it; there while it runs."""
    return home / _INSTANCE_FILE


def write_private(file: Path, content: Mapping[str, object]) -> None:
    """Write JSON that the owner alone can read; whoever waits for the file never reads half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump(content, stream)
    draft.replace(file)
