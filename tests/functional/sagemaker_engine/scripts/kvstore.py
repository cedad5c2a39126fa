"""MXNet's distributed kvstore inside a job: scheduler and server beside the first host's worker, a worker on each host.

Each worker pushes its number plus one; `dist_sync` must give every worker the sum.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

WORKER = """
import json, os, sys
import mxnet as mx

store = mx.kv.create("dist_sync")
store.init(0, mx.nd.zeros((2, 3)))
store.push(0, mx.nd.ones((2, 3)) * (store.rank + 1))
pulled = mx.nd.zeros((2, 3))
store.pull(0, out=pulled)
told = {"rank": store.rank, "workers": store.num_workers, "sum": float(pulled.asnumpy()[0, 0])}
open(sys.argv[1], "w").write(json.dumps(told))
"""

base = Path(os.environ["SAGEMAKER_BASE_DIR"])
config = json.loads((base / "input" / "config" / "resourceconfig.json").read_text())
hosts, me = config["hosts"], config["current_host"]


def start(role):
    """Start one process of the cluster."""
    shared = {
        "DMLC_ROLE": role,
        "DMLC_PS_ROOT_URI": socket.gethostbyname(hosts[0]),
        "DMLC_PS_ROOT_PORT": "9000",
        "DMLC_NODE_HOST": socket.gethostbyname(me),
        "DMLC_NUM_SERVER": "1",
        "DMLC_NUM_WORKER": str(len(hosts)),
    }
    program = WORKER if role == "worker" else "import mxnet"  # importing it is what a scheduler and a server do
    command = [sys.executable, "-c", program, str(base / "model" / f"{me}.json")]
    return subprocess.Popen(command, env={**os.environ, **shared})


roles = ["scheduler", "server", "worker"] if me == hosts[0] else ["worker"]
sys.exit(max(abs(process.wait()) for process in [start(role) for role in roles]))
