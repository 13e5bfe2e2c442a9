"""HAProxy in front of the APIs of an embedded cloud: it ends TLS at the controller's address, as in production."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nfvcert.embedded.cloud.certificates import SERVER
from nfvcert.embedded.cloud.configuration import LOOPBACK, PORTS

__all__ = ["DELAY", "SCRIPT", "configuration"]

DELAY = "delay"
"""An action that rules may use, with milliseconds as its argument."""
SCRIPT = """\
core.register_action("delay", { "http-req" }, function(txn, milliseconds)
    core.msleep(tonumber(milliseconds))
end, 1)
"""


def configuration(folder: Path, address: str, apis: list[str], rules: Mapping[str, str] | None = None) -> str:
    """haproxy.cfg for some APIs of `PORTS`; ``rules``: API → a line more for its frontend, such as one that refuses."""
    rules = rules or {}
    parts = [
        f"""\
global
    maxconn 2000
    ssl-default-bind-options ssl-min-ver TLSv1.2
    pidfile {folder}/run/haproxy.pid
    lua-load {folder}/etc/delay.lua
defaults
    mode http
    timeout connect 5s
    timeout client 120s
    timeout server 120s
    timeout http-keep-alive 60s
    option forwardfor
"""
    ]
    for api in apis:
        extra = f"    {rules[api]}\n" if api in rules else ""
        parts.append(
            f"""\
frontend {api}
    bind {address}:{PORTS[api]} ssl crt {folder}/etc/{SERVER}
    http-request set-header X-Forwarded-Proto https
    http-response replace-header Location http://(.*) https://\\1
{extra}    default_backend {api}
backend {api}
    server local {LOOPBACK}:{PORTS[api]}
"""
        )
    return "".join(parts)
