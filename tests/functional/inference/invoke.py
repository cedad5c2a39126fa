"""Runs the Lambda handler as its runtime does: imported once, then one event a line; answers one a line."""

from __future__ import annotations

import json
import sys


class Context:
    """The part of Lambda's context that the handler reads."""

    aws_request_id = "request-1"


def main() -> None:
    from inference.lambda_handler import lambda_handler

    for line in sys.stdin:
        sys.stderr.write(json.dumps(lambda_handler(json.loads(line), Context())) + "\n")
        sys.stderr.flush()


if __name__ == "__main__":
    main()
