"""What the documents of nfvcert are made of: a strict base model, checked scalars, and contradictions.

Inventories, test models and releases share these, so that the same mistake gets the same sentence.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
)

__all__ = [
    "Address",
    "BitsPerSecond",
    "Bytes",
    "Contradiction",
    "GrownPart",
    "HostAddress",
    "InterfaceAddress",
    "InterfaceName",
    "KeyPath",
    "Mac",
    "Name",
    "Part",
    "SecretReference",
    "Subnet",
    "Text",
    "bits_per_second",
    "size_in_bytes",
]

NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
REFERENCE = r"(env|file|keyring):\S.*"


def _name(value: str) -> str:
    if not NAME.fullmatch(value) or len(value) > 40:
        raise ValueError("a name has lower-case letters, digits and inner dashes, 40 characters at most")
    return value


def _interface_name(value: str) -> str:
    if len(_name(value)) > 13:
        raise ValueError("a link or port name has 13 characters at most (Linux interface names end at 15)")
    return value


def _subnet(value: str) -> str:
    try:
        interface = ipaddress.IPv4Interface(value)
    except ValueError:
        raise ValueError("an IPv4 network is needed, like 10.20.0.0/24") from None
    if "/" not in value:
        raise ValueError("an IPv4 network with its prefix is needed, like 10.20.0.0/24")
    if interface.ip != interface.network.network_address:
        raise ValueError(f"a host's address, where its network {interface.network} is needed")
    return str(interface.network)


def _address(value: str) -> str:
    try:
        return str(ipaddress.IPv4Address(value))
    except ValueError:
        raise ValueError("an IPv4 address is needed, like 10.20.0.2") from None


def _interface_address(value: str) -> str:
    try:
        if "/" in value:
            return str(ipaddress.IPv4Interface(value))
    except ValueError:
        pass
    raise ValueError("an IPv4 address with its prefix is needed, like 198.18.1.2/24")


def _host_address(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.:][A-Za-z0-9_.:-]*", value):
        raise ValueError("an IP address or a host name is needed, without user, port or path")
    return value


def _secret_reference(value: str) -> str:
    if not re.fullmatch(REFERENCE, value):
        raise ValueError("a password is named by reference, never written: env:NAME, file:PATH or keyring:NAME")
    return value


def _mac(value: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", value.lower()):
        raise ValueError("a MAC address looks like 02:00:00:00:00:01")
    return value.lower()


_RATE = re.compile(r"(\d+(?:\.\d+)?) ?([kMG]?)(?:bit/s|bps)", re.ASCII)


def bits_per_second(value: object) -> object:
    """`10 Mbit/s` → 1e7. Speeds are so plain that no unit library is loaded for them."""
    if isinstance(value, str):
        match = _RATE.fullmatch(value.strip())
        if not match:
            raise ValueError("a speed looks like 10 Mbit/s, 25 Gbit/s")
        return float(match[1]) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[match[2]]
    return value


_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(k|M|G|T|Ki|Mi|Gi|Ti|)B", re.ASCII)
_TIMES = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def size_in_bytes(value: object) -> object:
    """`64 MiB` → 67108864, `480 GB` → 480000000000."""
    if isinstance(value, str):
        match = _SIZE.fullmatch(value.strip())
        if not match:
            raise ValueError("a size looks like 64 MiB, 480 GB")
        return round(float(match[1]) * _TIMES[match[2]])
    return value


def _string(example: str, **schema: Any) -> WithJsonSchema:
    """What an editor, and an error about the wrong type, is told of a string type."""
    return WithJsonSchema({"type": "string", "examples": [example], **schema})


Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, AfterValidator(_name), _string("compute-1", pattern=f"^{NAME.pattern}$", maxLength=40)]
InterfaceName = Annotated[
    str, AfterValidator(_interface_name), _string("trunk-1", pattern=f"^{NAME.pattern}$", maxLength=13)
]
Subnet = Annotated[str, AfterValidator(_subnet), _string("10.20.0.0/24", pattern=r"^[0-9.]+/\d+$")]
Address = Annotated[str, AfterValidator(_address), _string("10.20.0.2", format="ipv4")]
InterfaceAddress = Annotated[
    str, AfterValidator(_interface_address), _string("198.18.1.2/24", pattern=r"^[0-9.]+/\d+$")
]
HostAddress = Annotated[str, AfterValidator(_host_address), _string("192.0.2.11", minLength=1)]
SecretReference = Annotated[
    str, AfterValidator(_secret_reference), _string("env:BMC_PASSWORD", pattern=f"^{REFERENCE}$")
]
Mac = Annotated[str, AfterValidator(_mac), _string("02:00:00:00:00:01", pattern="^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$")]
BitsPerSecond = Annotated[
    float,
    BeforeValidator(bits_per_second),
    Field(gt=0, le=1e12),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "examples": ["25 Gbit/s"], "pattern": f"^{_RATE.pattern}$"},
                {"type": "number", "exclusiveMinimum": 0, "maximum": 1e12, "description": "In bit/s."},
            ],
        }
    ),
]

Bytes = Annotated[
    int,
    BeforeValidator(size_in_bytes),
    Field(gt=0, le=10**18),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "examples": ["480 GB"], "pattern": f"^{_SIZE.pattern}$"},
                {"type": "integer", "exclusiveMinimum": 0, "maximum": 10**18, "description": "In bytes."},
            ],
        }
    ),
]


class Part(BaseModel):
    """Base of all parts of an inventory: frozen, and a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class GrownPart(Part):
    """A part of records that has got keys since there are records.

    Where those are empty they are not written: what does not use them has the bytes, and the digest, that it had.
    """

    later: ClassVar[frozenset[str]] = frozenset()
    """Its younger keys."""

    @model_serializer(mode="wrap")
    def _as_before(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told: dict[str, Any] = serialize(self)
        for name in self.later:
            if getattr(self, name) in (None, "", ()):
                told.pop(name, None)
        return told


KeyPath = tuple[str | int, ...]


class Contradiction(ValueError):
    """Parts of a document contradict each other; raised by validators of any model that a file is read into.

    ``key`` is the tuple path of the part to mend, seen from the model that raises. Where a name is
    unknown, ``found`` is that name and ``choices`` are the known ones: a reader suggests the nearest.
    ``further`` are the contradictions after the first.
    """

    def __init__(self, key: KeyPath, problem: str, *, found: str = "", choices: Iterable[str] = ()) -> None:
        super().__init__(problem)
        self.key = key
        self.found = found
        self.choices = tuple(choices)
        self.further: tuple[Contradiction, ...] = ()

    def followed_by(self, further: tuple[Contradiction, ...]) -> Contradiction:
        """This contradiction, with those that were found after it."""
        self.further = further
        return self
