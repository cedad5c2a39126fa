"""An S3 that only lists: a million keys, computed and not kept, each answer after a pause like the network's."""

from __future__ import annotations

import sys
import time
from bisect import bisect_right
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, urlsplit

PAGE = 1000
PREFIX = "datasets/bench/"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?><ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
_TAIL = "</ListVersionsResult>"
_VERSIONED = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
_ENTRY = (
    "<Version><Key>%s</Key><VersionId>3sL4kqtJlcpXroDTDmJ%013d</VersionId><IsLatest>true</IsLatest>"
    "<LastModified>2030-01-01T00:00:00.000Z</LastModified><ETag>&quot;%032x&quot;</ETag><Size>%d</Size>"
    "<StorageClass>STANDARD</StorageClass></Version>"
)


class Keys:
    """Numbered names in ten folders, the first of which holds half of them: sorted, and never in memory."""

    def __init__(self, count: int) -> None:
        half, rest = count // 2, count - count // 2
        self.sizes = [half, *(rest // 9 + (1 if number < rest % 9 else 0) for number in range(9))]

    def __len__(self) -> int:
        return sum(self.sizes)

    def __getitem__(self, place: int) -> str:
        for label, size in enumerate(self.sizes):
            if place < size:
                return f"{PREFIX}{label}/img-{place:07d}.jpg"
            place -= size
        raise IndexError(place)

    def behind(self, marker: str) -> int:
        """Place of the first key behind a marker."""
        return bisect_right(self, marker) if marker else 0  # type: ignore[arg-type]


class Handler(BaseHTTPRequestHandler):
    """Answers the three questions that a freeze asks."""

    protocol_version = "HTTP/1.1"
    keys: Keys
    pause_seconds = 0.0

    def do_GET(self) -> None:
        """Answer after the pause."""
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        time.sleep(self.pause_seconds)
        body = (_VERSIONED if "versioning" in query else self._list(query)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _list(self, query: dict[str, list[str]]) -> str:
        if "delimiter" in query:
            folders = "".join(
                f"<CommonPrefixes><Prefix>{PREFIX}{label}/</Prefix></CommonPrefixes>" for label in range(10)
            )
            return f"{_HEAD}<IsTruncated>false</IsTruncated>{folders}{_TAIL}"
        start = self.keys.behind(query.get("key-marker", [""])[0])
        stop = min(start + PAGE, len(self.keys))
        entries = "".join(
            _ENTRY % (quote(self.keys[place]), place, place * 2654435761, 40_000 + place % 977)
            for place in range(start, stop)
        )
        last = f"<NextKeyMarker>{quote(self.keys[stop - 1])}</NextKeyMarker>" if stop < len(self.keys) else ""
        more = "true" if last else "false"
        return f"{_HEAD}<EncodingType>url</EncodingType><IsTruncated>{more}</IsTruncated>{last}{entries}{_TAIL}"

    def log_message(self, *_: object) -> None:
        """Stay silent."""


def main() -> None:
    """Serve until the process is ended; the port is the first line of the output."""
    Handler.keys = Keys(int(sys.argv[1]))
    Handler.pause_seconds = float(sys.argv[2])
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()
