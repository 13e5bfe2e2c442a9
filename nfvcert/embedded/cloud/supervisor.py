"""The parent of all services of an embedded cloud: starts them, and starts anew what ends (as systemd would).

    PYTHON supervisor.py FOLDER      reads FOLDER/services.json, stays until SIGTERM

To import a service's modules takes seconds, so one process a project (a nursery) imports them once and forks its
services: they start within a fraction of that, again after a kill too, and share memory.

This file runs in the cloud's own environment, which has no nfvcert: it imports the standard library, and what the
services need. What it says of itself: FOLDER/log/supervisor.log; of a service: FOLDER/log/NAME.out.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path
from time import sleep
from typing import Any

RESTART_S = 0.5
"""Between the end of a service and its next start."""
QUICK_END_S = 5.0
"""A service that lives shorter waits longer for its next start, up to this."""
THREADS = 8
"""In which an API answers."""
IDLE_S = 24 * 3600
"""How long a connection is kept: the services ask each other on theirs, and one that is closed as a request comes on it
is a failed request."""
CONNECTIONS = 1000

Spec = dict[str, Any]


class Parent:
    """Starts children and starts them anew when they end."""

    def __init__(
        self, folder: Path, start: dict[str, Callable[[], None]], delays: dict[str, float] | None = None
    ) -> None:
        self._folder = folder
        self._start = start
        """Name → what the child does, which never returns."""
        self._running: dict[int, tuple[str, float]] = {}
        now = time.monotonic()
        self._due: dict[str, float] = {name: now + (delays or {}).get(name, 0.0) for name in start}
        self._quick: dict[str, int] = {}

    def serve(self) -> None:
        """Never returns."""
        while True:
            for name, due in list(self._due.items()):
                if due <= time.monotonic() and not (self._folder / "stopped" / name).exists():
                    del self._due[name]
                    self._running[self._fork(name)] = name, time.monotonic()
            self._reap()
            sleep(0.05)  # the real one: eventlet's would begin what its children must begin each for itself

    def _fork(self, name: str) -> int:
        pid = os.fork()
        if pid:
            file = self._folder / "run" / "pids" / name
            file.with_suffix(".new").write_text(f"{pid}\n", encoding="ascii")
            file.with_suffix(".new").replace(file)  # whoever reads it finds a number
            return pid
        status = 1
        try:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            log = os.open(self._folder / "log" / f"{name}.out", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            for stream in (1, 2):
                os.dup2(log, stream)
            os.close(log)
            self._start[name]()
            status = 0
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
            if not isinstance(ended.code, int):
                sys.stderr.write(f"{ended.code}\n")
        except BaseException:  # noqa: BLE001 - the last words of a service belong in its log
            traceback.print_exc()
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid not in self._running:
                continue  # somebody's orphan
            name, since = self._running.pop(pid)
            with suppress(ProcessLookupError):  # the workers that it leaves would hold its port, or its place
                os.killpg(pid, signal.SIGKILL)
            lived = time.monotonic() - since
            self._quick[name] = self._quick.get(name, 0) + 1 if lived < QUICK_END_S else 0
            wait = min(QUICK_END_S, RESTART_S * 2 ** self._quick[name])
            self._due[name] = time.monotonic() + wait
            with (self._folder / "log" / "supervisor.log").open("a", encoding="utf-8") as log:
                at = time.strftime("%H:%M:%S")
                log.write(f"{at} {name} ended after {lived:.1f} s with status {status}, again in {wait:g} s\n")


def _command(spec: Spec) -> Callable[[], None]:
    def run() -> None:
        os.environ.update(spec.get("environment", {}))
        os.environ.pop("LD_LIBRARY_PATH", None)  # our interpreter's libraries are not those of the machine's programs
        argv = spec["command"]
        os.execv(argv[0], [spec.get("title") or argv[0], *argv[1:]])

    return run


def _nursery(folder: Path, spec: Spec, services: list[Spec]) -> Callable[[], None]:
    def run() -> None:
        os.environ.update(spec.get("environment", {}))
        for name in spec["preload"]:
            module, _, function = name.partition(":")
            loaded = importlib.import_module(module)
            if function:
                getattr(loaded, function)()
        children = {each["name"]: _service(each) for each in services}
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        Parent(folder, children, {each["name"]: each.get("delay_s", 0.0) for each in services}).serve()

    return run


def _service(spec: Spec) -> Callable[[], None]:
    def run() -> None:
        from setproctitle import setproctitle

        os.environ.update(spec.get("environment", {}))
        sys.argv = [spec["name"], *spec.get("argv", [])]
        if "script" in spec:
            (script,) = entry_points(group="console_scripts", name=spec["script"])
            main = script.load()
            setproctitle(spec["title"])
            sys.exit(main())
        setproctitle(spec["title"])
        _answer(spec["wsgi"], spec["port"])

    return run


def _answer(name: str, port: int) -> None:
    """Serve a WSGI application on the loopback: a module's, or what a function of it makes (`module:function`)."""
    import waitress

    module, _, function = name.partition(":")
    loaded = importlib.import_module(module)
    application = getattr(loaded, function)() if function else loaded.application
    # Behind the proxy: what it says of how it was asked decides what links begin with, https or http.
    waitress.serve(
        application,
        host="127.0.0.1",
        port=port,
        threads=THREADS,
        ident="",
        channel_timeout=IDLE_S,
        connection_limit=CONNECTIONS,
        asyncore_use_poll=True,
        clear_untrusted_proxy_headers=False,
    )


def _main(folder: Path) -> None:
    warnings.simplefilter("ignore")
    told = json.loads((folder / "services.json").read_text(encoding="utf-8"))
    start: dict[str, Callable[[], None]] = {spec["name"]: _command(spec) for spec in told["commands"]}
    for name, spec in told["nurseries"].items():
        services = [each for each in told["services"] if each["nursery"] == name]
        start[f"nursery-{name}"] = _nursery(folder, spec, services)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    Parent(folder, start).serve()


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
