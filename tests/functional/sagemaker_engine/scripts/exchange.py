"""On each of several hosts: finds the others by name, listens on the same port, and learns everybody's number."""

import json
import os
import socket
import sys
import time
from pathlib import Path

PORT = 7421
base = Path(os.environ["SAGEMAKER_BASE_DIR"])
config = json.loads((base / "input" / "config" / "resourceconfig.json").read_text())
hosts, me = config["hosts"], config["current_host"]
server = socket.create_server((me, PORT))
heard = {}
for host in hosts:
    deadline = time.monotonic() + 30
    while host != me:
        try:
            with socket.create_connection((host, PORT), timeout=5) as peer:
                peer.sendall(me.encode())
            break
        except OSError:
            if time.monotonic() > deadline:
                sys.exit(f"{me} does not reach {host}")
            time.sleep(0.05)
while len(heard) < len(hosts) - 1:
    connection, _ = server.accept()
    with connection:
        heard[connection.recv(100).decode()] = True
files = sorted(path.name for path in (base / "input" / "data" / "train").glob("*"))
print("heard", sorted(heard), "of", hosts, "files", files, flush=True)
(base / "model" / f"{hosts.index(me)}.json").write_text(json.dumps({"heard": sorted(heard), "files": files}))
(base / "model" / "shared").write_text(me)
