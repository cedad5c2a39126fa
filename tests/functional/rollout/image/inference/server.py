"""The service's entry point."""

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from inference.tiny import answer, wished_fault


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        ready = bool(os.environ.get("RATCHET_MODEL_URI")) and wished_fault("ecs") != "unhealthy"
        self.reply(200 if ready else 503, {"status": "ready" if ready else "not ready"})

    def do_POST(self):
        image = self.rfile.read(int(self.headers["Content-Length"]))
        self.reply(*answer(image, wished_fault("ecs")))

    def reply(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


if __name__ == "__main__":
    if wished_fault("ecs") == "crash":
        print("cannot load the model", flush=True)
        sys.exit(3)
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
