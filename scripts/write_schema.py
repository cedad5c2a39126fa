"""Write docs/pipeline.schema.json, which editors use to complete and check pipeline files; `--check` only compares."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ratchet.spec import Pipeline

FILE = Path("docs/pipeline.schema.json")


def main() -> int:
    """Write or compare; 1 when the file is not what the code says."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Pipeline.model_json_schema()}
    text = json.dumps(schema, indent=2) + "\n"
    if "--check" not in sys.argv:
        FILE.write_text(text, "utf-8")
        return 0
    if FILE.exists() and FILE.read_text("utf-8") == text:
        return 0
    sys.stderr.write(f"{FILE} is not what ratchet/spec.py says; run: make schema\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
