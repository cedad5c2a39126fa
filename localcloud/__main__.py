"""`python -m localcloud`: run the laptop's AWS until it is told to end.

`python -m localcloud env` prints what a shell needs to talk to the one that runs: eval "$(python -m localcloud env)".
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shlex
import signal
import sys
import threading
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from localcloud.access import instance_file, write_private
from localcloud.command import restore, snapshot
from localcloud.durable.home import forget
from localcloud.durable.store import HomeInUse, JournalUnreadable
from localcloud.server import DEFAULT_HOME, DEFAULT_PORT, LocalCloud, PortInUse

_COMMANDS = {"snapshot": snapshot, "restore": restore}
_EXAMPLES = """examples:
  python -m localcloud                            run; the state is in --home, and is there again next time
  eval "$(python -m localcloud env)"              let this shell talk to the one that runs
  python -m localcloud --fresh                    run, and begin with nothing
  python -m localcloud snapshot before.tar        write the state to a file, also while it runs
  python -m localcloud restore before.tar --fresh put it back; end the running one first"""
_CONFIG_KEYS = frozenset({"host", "port", "home", "mxnet_python", "public_name", "region", "enforce_iam"})


def main(arguments: list[str] | None = None) -> int:
    """Start, say where it is, wait for a signal, end everything; return the exit code."""
    options = _parse(arguments)
    if options.command == "env":
        return _print_environment(options.home)
    if options.command != "run":
        return _COMMANDS[options.command](options)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # A stop that comes while the engines load must be kept, not lost.
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    try:
        cloud = LocalCloud(
            host=options.host,
            port=options.port,
            home=options.home,
            mxnet_python=options.mxnet_python,
            region=options.region,
            public_name=options.public_name,
            enforce_iam=options.enforce_iam,
            durable=not options.in_memory,
        )
        if options.fresh:
            forget(options.home)
        cloud.start()
    except (PortInUse, HomeInUse, JournalUnreadable, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    files = [file for file in (instance_file(options.home), options.ready_file) if file is not None]
    try:
        _announce(cloud, files)
        asked.wait()
    finally:
        for file in files:
            file.unlink(missing_ok=True)
        cloud.stop()
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m localcloud",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = ["run", "env", *_COMMANDS]
    parser.add_argument("command", nargs="?", default="run", choices=commands, help="run it, or do something with it")
    parser.add_argument("file", nargs="?", help="of snapshot and restore")
    parser.add_argument("--config", type=Path, help=f"TOML file with any of: {', '.join(sorted(_CONFIG_KEYS))}")
    parser.add_argument("--host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help=f"port to listen on, 0 for a free one ({DEFAULT_PORT})")
    parser.add_argument("--home", type=Path, help=f"folder of the state and of scratch files ({DEFAULT_HOME})")
    parser.add_argument("--mxnet-python", type=Path, help="interpreter of the MXNet environment")
    parser.add_argument("--region", help="region of what runs by itself (us-east-1)")
    parser.add_argument("--public-name", help="name under which others reach this machine (localhost)")
    parser.add_argument("--fresh", action="store_true", help="forget the state that an earlier run left in --home")
    parser.add_argument("--in-memory", action="store_true", help="keep no state: it ends with the process")
    parser.add_argument(
        "--enforce-iam", action="store_true", default=None, help="refuse what no IAM policy of the caller allows"
    )
    parser.add_argument(
        "--ready-file",
        type=Path,
        help="written as JSON with url, pid and access key once it answers; the owner alone reads it",
    )
    options = parser.parse_args(arguments)
    if (options.file is None) == (options.command in _COMMANDS):
        parser.error(f"{options.command} takes {'a FILE' if options.command in _COMMANDS else 'no file'}")
    try:
        config = _read_config(options.config)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return _merge(options, config)


def _read_config(path: Path | None) -> Mapping[str, Any]:
    if path is None:
        return {}
    config = tomllib.loads(path.read_text(encoding="utf-8"))
    unknown = sorted(set(config) - _CONFIG_KEYS)
    if unknown:
        raise ValueError(f"{path}: unknown {', '.join(unknown)}; allowed are {', '.join(sorted(_CONFIG_KEYS))}")
    return config


def _merge(options: argparse.Namespace, config: Mapping[str, Any]) -> argparse.Namespace:
    """Argument before file before default."""
    defaults: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": DEFAULT_PORT,
        "home": DEFAULT_HOME,
        "public_name": "localhost",
        "region": "us-east-1",
        "enforce_iam": os.environ.get("LOCALCLOUD_ENFORCE_IAM", "") not in {"", "0", "false"},
    }
    for key in _CONFIG_KEYS:
        if getattr(options, key) is None:
            value = config.get(key, defaults.get(key))
            setattr(options, key, Path(value) if key in {"home", "mxnet_python"} and value is not None else value)
    return options


def _announce(cloud: LocalCloud, files: Sequence[Path]) -> None:
    sys.stdout.write(f"localcloud answers at {cloud.url}\n")
    sys.stdout.flush()
    for file in files:
        write_private(file, {"url": cloud.url, "pid": os.getpid(), "environment": cloud.environment})


def _print_environment(home: Path) -> int:
    """Print the variables of the instance that runs with this home, for a shell to take over."""
    try:
        found = json.loads(instance_file(home).read_text("utf-8"))
    except FileNotFoundError:
        sys.stderr.write(f"no localcloud runs with the home {home}: start it, or name another one with --home\n")
        return 1
    sys.stdout.writelines(f"export {name}={shlex.quote(value)}\n" for name, value in found["environment"].items())
    return 0


if __name__ == "__main__":
    sys.exit(main())
