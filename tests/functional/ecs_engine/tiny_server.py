"""The container of these tests: a few routes, and faults on demand."""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path == "/crash":
            os._exit(7)
        if self.path == "/grow":
            self.server.ballast = bytearray(os.urandom(2**20) * 300)
        if self.path.startswith("/slow/"):
            time.sleep(float(self.path.rsplit("/", 1)[1]))
        sick = self.path == "/health" and "SICK" in os.environ
        told = {"version": os.environ["VERSION"], "pid": os.getpid(), "variables": dict(os.environ)}
        body = json.dumps(told).encode()
        self.send_response(500 if sick else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


if __name__ == "__main__":
    if "BROKEN" in os.environ:
        print("cannot start: no model", flush=True)
        sys.exit(3)
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
    if "STUBBORN" in os.environ:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print("serving version", os.environ["VERSION"], flush=True)
    server.serve_forever()
    print("ended as asked", flush=True)
