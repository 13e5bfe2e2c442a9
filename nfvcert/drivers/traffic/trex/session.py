"""Who we are to a TRex server, which of its ports are ours, and what it is.

A port has one owner, a user in a session, until it is released: a server forgets nobody, so a run that was killed
leaves its ports taken. They are taken back from a session of the same user on the same machine (our lease of the lab
says that it is dead), and from somebody else only when told to (``force``).
"""

from __future__ import annotations

import getpass
import secrets
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nfvcert.drivers.traffic.trex.wire import Call, Refused, Wire
from nfvcert.errors import LabError

__all__ = ["API", "Server", "ServerPort", "Session", "link_lost"]

API = {"name": "STL", "major": 5, "minor": 1}
"""The programming interface that this driver was written for: stateless, of TRex v2.8x … v3."""
_PORT_ATTRIBUTE_CHANGED = 8
"""The asynchronous event that tells of a link (trex_publisher.h)."""


@dataclass(frozen=True)
class ServerPort:
    """A port as the server tells it."""

    number: int
    driver: str
    mac: str
    owner: str
    """Empty: nobody's."""
    state: str
    """`IDLE`, `STREAMS` (it has some), `TX` (it sends) …"""
    link_up: bool
    speed_bps: float
    counts: frozenset[str]
    """What it counts of a packet group: `flow_stats`, `latency`, `rx_bytes`."""


@dataclass(frozen=True)
class Server:
    """A TRex server as it tells of itself."""

    version: str
    mode: str
    """`STL`, or another one that cannot do what we need (`ASTF`)."""
    hostname: str
    software: bool
    """Whether it counts flows itself (`--software`) and not by its adapters."""
    ports: Mapping[int, ServerPort]


class Session:
    """A user's session on one server. It is opened by `claim`, and as often as needed."""

    def __init__(self, wire: Wire, *, force: bool = False, user: str = "") -> None:
        self.wire = wire
        self._force = force
        self.user = user or f"nfvcert/{getpass.getuser()}@{socket.gethostname()}"
        self._session_id = secrets.randbits(31)
        self._api = ""
        self._handlers: dict[int, str] = {}

    @property
    def api(self) -> str:
        """The handle that each call carries, once `synchronise` has it."""
        return self._api

    def synchronise(self) -> None:
        """Agree on the programming interface. Raises: LabError when the server has another one."""
        try:
            self._api = str(self.wire.ask("api_sync_v2", **API)["api_h"])
        except Refused as refusal:
            mine = f"{API['name']} {API['major']}.{API['minor']}"
            raise LabError(
                f"TRex at {self.wire.server} does not speak the interface {mine}: {refusal.words}",
                what="traffic generator",
                hint="nfvcert speaks to TRex v2.8x and later in stateless mode (t-rex-64 -i)",
            ) from refusal

    def question(self, method: str, **params: Any) -> Any:
        """The answer to a question that changes nothing. Raises: as `Wire.ask`."""
        return self.wire.ask(method, api_h=self._api, **params)

    def question_call(self, method: str, **params: Any) -> Call:
        """A question for `Wire.ask_all`, whose wire may be another one."""
        return Call(method, {"api_h": self._api, **params})

    def order(self, number: int, method: str, **params: Any) -> Any:
        """Let a port that is ours do something. Raises: as `Wire.ask`; LabError when it is ours no more."""
        return self.order_all([(number, method, params)])[0]

    def order_all(self, orders: Iterable[tuple[int, str, Mapping[str, Any]]]) -> list[Any]:
        """Let ports do things one after the other, in one message: they begin at nearly the same time.

        Raises: as `order`.
        """
        calls = [
            Call(
                method,
                {"api_h": self._api, "port_id": number, "handler": self._handlers.get(number, ""), **params},
            )
            for number, method, params in orders
        ]
        try:
            return self.wire.ask_all(calls) if calls else []
        except Refused as refusal:
            if "not owned by you" in refusal.words or "please acquire" in refusal.words:
                raise self._lost() from refusal
            raise

    def server(self) -> Server:
        """What the server is, and each of its ports. Raises: as `Wire.ask`."""
        self.synchronise()  # a server that began anew has another handle
        version, system = self.wire.ask_all([Call("get_version"), self.question_call("get_system_info")])
        described = {int(port["index"]): port for port in system["ports"]}
        questions = [self.question_call("get_port_status", port_id=number, block=False) for number in described]
        states = dict(zip(described, self.wire.ask_all(questions), strict=True))
        return Server(
            version=str(version.get("version", "?")),
            mode=str(version.get("mode", "?")),
            hostname=str(system.get("hostname", "?")),
            software=bool(system.get("advanced_per_stream_stats")),
            ports={number: _port(number, port, states[number]) for number, port in described.items()},
        )

    def claim(self, numbers: Sequence[int]) -> None:
        """Make ports ours and quiet: nothing is sent, no stream is left, all that comes is heard.

        May be done again: what is ours stays ours, and what a server forgot in a restart is taken anew.
        Raises: LabError with the present owner when a port is somebody else's; Unreachable; Refused.
        """
        self.synchronise()
        for number in numbers:
            if number not in self._handlers or not self._still_ours(number):
                self._handlers[number] = self._acquire(number, force=self._force)
        self.quiet(numbers)
        everything = {"promiscuous": {"enabled": True}}
        self.order_all((number, "set_port_attr", {"attr": everything}) for number in numbers)

    def quiet(self, numbers: Iterable[int]) -> None:
        """Stop what ports send, and take their streams away. Raises: as `order`."""
        self.order_all((number, method, {}) for number in numbers for method in ("stop_traffic", "remove_all_streams"))

    def events(self) -> list[Mapping[str, Any]]:
        """What happened at the server since the last look, oldest first. Raises: as `Wire.ask`."""
        answer = self.question("get_async_events", session_id=self._session_id, user=self.user)
        return [event for event in answer.get("data", []) if isinstance(event, dict)]

    def release(self) -> None:
        """Give the ports back, where they are ours, and close the connection. A server that is gone has none."""
        numbers, self._handlers = self._handlers, {}
        try:
            for number, handler in numbers.items():
                mine = {"api_h": self._api, "port_id": number, "handler": handler}
                try:
                    self.wire.ask_all([Call("stop_traffic", mine), Call("remove_all_streams", mine)])
                    self.wire.ask("release", **mine)
                except Refused:
                    continue  # somebody took it, or the server began anew: there is nothing of ours to give back
                except LabError:
                    return
        finally:
            self.wire.close()

    def _still_ours(self, number: int) -> bool:
        try:
            return self._acquire(number, force=False) == self._handlers[number]
        except LabError:
            return False

    def _acquire(self, number: int, *, force: bool) -> str:
        params = {"port_id": number, "user": self.user, "session_id": self._session_id, "force": force}
        try:
            return str(self.wire.ask("acquire", api_h=self._api, **params))
        except Refused as refusal:
            if not force and refusal.words.startswith("port is already owned by another session of"):
                return self._acquire(number, force=True)  # our lease says that it is dead
            if "taken by" in refusal.words or "another session" in refusal.words:
                raise self._taken(number) from refusal
            raise

    def _taken(self, number: int) -> LabError:
        owner = str(self.question("get_port_status", port_id=number, block=False).get("owner") or "nobody, just now")
        return LabError(
            f"port {number} of TRex at {self.wire.server} belongs to {owner}",
            what="traffic generator",
            hint="let its owner release it, or take it away: `force: true` under `traffic` of the inventory",
        )

    def _lost(self) -> LabError:
        owners = {}
        for number in self._handlers:
            status = self.question("get_port_status", port_id=number, block=False)
            if (owner := str(status.get("owner") or "nobody")) != self.user:
                owners[number] = owner
        told = ", ".join(f"port {number} belongs to {owner}" for number, owner in owners.items())
        return LabError(
            f"ports of TRex at {self.wire.server} were taken away from this run: {told or 'another session has them'}",
            what="traffic generator",
        )


def link_lost(events: Iterable[Mapping[str, Any]], number: int) -> bool:
    """Whether events tell that the link of a port went down."""
    return any(
        event.get("type") == _PORT_ATTRIBUTE_CHANGED
        and event.get("data", {}).get("port_id") == number
        and event.get("data", {}).get("attr", {}).get("link", {}).get("up") is False
        for event in events
    )


def _port(number: int, described: Mapping[str, Any], status: Mapping[str, Any]) -> ServerPort:
    attributes = status.get("attr", {})
    return ServerPort(
        number=number,
        driver=str(described.get("driver", "?")),
        mac=str(attributes.get("layer_cfg", {}).get("ether", {}).get("src") or described.get("hw_mac", "")),
        owner=str(status.get("owner", "")),
        state=str(status.get("state", "?")),
        link_up=bool(attributes.get("link", {}).get("up")),
        speed_bps=float(attributes.get("speed", 0)) * 1e9,
        counts=frozenset(str(each) for each in described.get("rx", {}).get("caps", ())),
    )
