"""Frames, packet groups and their JSON. That a server takes them, and a device sees them, is in the sessions."""

from __future__ import annotations

import base64
import dataclasses
import struct

import pytest

from nfvcert.drivers.traffic.frames import DATA, Route, checksum
from nfvcert.drivers.traffic.frames import build_frame as build_software_frame
from nfvcert.drivers.traffic.trex.neighbours import arp_answer, arp_request
from nfvcert.drivers.traffic.trex.streams import Group, Way, build_frame, groups, least_frame_bytes, stream_json
from nfvcert.protocols import Stream

MACS = "02:00:00:00:00:01", "02:00:00:00:00:02"
IPV4 = Way(*MACS, "198.18.0.1", "198.18.0.2")
IPV6 = Way(*MACS, "2001:2::1", "2001:2::2")
TAGGED = dataclasses.replace(IPV4, vlan=100)


class TestFrames:
    def test_an_ipv4_frame_is_that_of_the_software_generator_but_for_its_tag(self) -> None:
        """So a device treats both alike: the headers are the same to the last bit."""
        software = build_software_frame(Route(*MACS, "198.18.0.1", "198.18.0.2"), 128, run=1, kind=DATA, stream=0)
        trex = build_frame(IPV4, 128)
        assert len(trex) == len(software) == 124
        assert trex[:42] == software[:42]
        assert not any(trex[42:])

    def test_an_ipv6_frame(self) -> None:
        frame = build_frame(IPV6, 128)
        assert frame[12:14] == b"\x86\xdd"
        version, payload, protocol, hops = struct.unpack_from("!IHBB", frame, 14)
        assert (version, payload, protocol, hops) == (0x60000000, 124 - 54, 17, 64)
        assert frame[22:38] + frame[38:54] == bytes.fromhex(
            "2001000200000000000000000000000120010002000000000000000000000002"
        )
        assert struct.unpack_from("!HHH", frame, IPV6.udp_offset) == (4096, 9, 70)

    def test_a_tagged_frame_is_the_same_frame_behind_its_tag(self) -> None:
        tagged, plain = build_frame(TAGGED, 132), build_frame(IPV4, 128)
        assert tagged[:12] + tagged[16:] == plain
        assert tagged[12:16] == b"\x81\x00\x00\x64"
        assert checksum(tagged[18:38]) == 0

    @pytest.mark.parametrize(
        ("way", "least"), [(IPV4, 64), (TAGGED, 66), (IPV6, 82), (dataclasses.replace(IPV6, vlan=1), 86)]
    )
    def test_the_smallest_frame_has_room_for_the_stamp(self, way: Way, least: int) -> None:
        assert least_frame_bytes(way) == least
        assert len(build_frame(way, least)) - way.udp_offset - 8 >= 16


class TestGroups:
    def test_every_frame_of_a_moderate_stream_is_numbered(self) -> None:
        assert groups((Stream("a", "b", 64, 20_000, 2),), 7) == (Group(7, 0, 40_000, 20_000, sequenced=True),)

    def test_a_fast_stream_has_probes_and_keeps_its_rate(self) -> None:
        slow, fast = Stream("a", "b", 64, 100, 1), Stream("b", "a", 64, 1e6, 2)
        _, load, probes = groups((slow, fast), 1)
        assert load == Group(2, 1, 1_998_000, 999_000, sequenced=False)
        assert probes == Group(3, 1, 2_000, 1_000, sequenced=True)
        assert load.frames + probes.frames == fast.frames
        assert load.rate_fps + probes.rate_fps == fast.rate_fps
        # Both take the stream's time: else one would run on alone.
        assert load.frames / load.rate_fps == probes.frames / probes.rate_fps == fast.duration_s

    def test_the_json_of_a_group(self) -> None:
        told = stream_json(Group(5, 0, 500, 2000.0, sequenced=True), IPV4, 64, flows=1)
        assert told["mode"] == {"type": "single_burst", "total_pkts": 500, "rate": {"type": "pps", "value": 2000.0}}
        assert told["flow_stats"] == {"enabled": True, "stream_id": 5, "rule_type": "latency"}
        assert told["vm"] == {"instructions": []}
        assert base64.b64decode(told["packet"]["binary"]) == build_frame(IPV4, 64)
        assert stream_json(Group(5, 0, 1, 1.0, sequenced=False), IPV4, 64, 1)["flow_stats"]["rule_type"] == "stats"

    @pytest.mark.parametrize("way", [IPV4, IPV6, TAGGED], ids=["ipv4", "ipv6", "tagged"])
    def test_flows_are_source_ports_in_turn(self, way: Way) -> None:
        variable, write = stream_json(Group(1, 0, 9, 9.0, sequenced=True), way, 128, flows=40)["vm"]["instructions"]
        assert (variable["min_value"], variable["max_value"], variable["step"]) == (4096, 4135, 1)
        assert variable["op"] == "inc"
        assert write["pkt_offset"] == way.udp_offset
        assert struct.unpack_from("!H", build_frame(way, 128), write["pkt_offset"]) == (4096,)


class TestArp:
    def test_a_request_is_not_its_own_answer(self) -> None:
        request = arp_request(MACS[0], "198.18.0.2/24", "198.18.0.1", None)
        assert len(request) == 60
        assert arp_answer(request, "198.18.0.1") is None

    @pytest.mark.parametrize("tag", [b"", b"\x81\x00\x00\x64"], ids=["plain", "tagged"])
    def test_an_answer_tells_the_address(self, tag: bytes) -> None:
        packet = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2) + bytes.fromhex("020000000009c6120001") + bytes(10)
        frame = bytes(12) + tag + b"\x08\x06" + packet
        assert arp_answer(frame, "198.18.0.1") == "02:00:00:00:00:09"
        assert arp_answer(frame, "198.18.0.7") is None
        assert arp_answer(frame[:30], "198.18.0.1") is None
        assert arp_answer(build_frame(IPV4, 64), "198.18.0.1") is None
