"""`std.prefixes` against Python's ipaddress module and against the registries' own exceptions."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from stdlib_programs import Probe, prefixes

MAPPED = 0xFFFF << 32
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def networks(name: str) -> list[Network]:
    """The prefixes of a list as networks."""
    found: list[Network] = []
    for address, length in sorted(prefixes("prefixes")[name]):
        if address >> 32 == 0xFFFF and length >= 96:
            found.append(IPv4Network((address & 0xFFFFFFFF, length - 96)))
        else:
            found.append(IPv6Network((address, length)))
    return found


def edges(network: Network) -> Iterator[Address]:
    """The first and the last address of a network."""
    yield network[0]
    yield network[-1]


def in_ipv6_form(address: Address) -> bytes:
    return address.packed if address.version == 6 else (MAPPED | int(address)).to_bytes(16, "big")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("private", "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16"),
        ("unique_local", "fc00::/7"),
        ("site", "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7"),
        ("loopback", "127.0.0.0/8 ::1/128"),
        ("link_local", "169.254.0.0/16 fe80::/10"),
        ("shared", "100.64.0.0/10"),
        ("this_network", "0.0.0.0/8 ::/128"),
        ("documentation", "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20"),
        ("benchmarking", "198.18.0.0/15 2001:2::/48"),
        ("reserved", "240.0.0.0/4"),
        ("multicast", "224.0.0.0/4 ff00::/8"),
    ],
)
def test_lists_hold_what_their_rfcs_say(name: str, expected: str) -> None:
    assert set(networks(name)) == {ip_network(text) for text in expected.split()}


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("loopback", "is_loopback"),
        ("link_local", "is_link_local"),
        ("multicast", "is_multicast"),
        ("reserved", "is_reserved"),
        ("private", "is_private"),
        ("unique_local", "is_private"),
        ("documentation", "is_private"),
        ("benchmarking", "is_private"),
    ],
)
def test_python_agrees(name: str, attribute: str) -> None:
    newer_than_python = {ip_network("3fff::/20")}
    for network in set(networks(name)) - newer_than_python:
        assert all(getattr(address, attribute) for address in edges(network)), network


@pytest.mark.parametrize("name", ["loopback", "link_local", "multicast"])
def test_python_finds_nothing_beside_them(name: str) -> None:
    for network in networks(name):
        for neighbour in (int(network[0]) - 1, int(network[-1]) + 1):
            if 0 < neighbour < 1 << network.max_prefixlen:
                kind = IPv4Address if network.version == 4 else IPv6Address
                address = kind(neighbour)
                if not any(address in other for other in networks(name) if other.version == network.version):
                    assert not getattr(address, f"is_{name}"), address


def test_no_list_matches_all_of_ipv4() -> None:
    """::ffff:0:0/96 is how IPv4 is compared: a prefix that holds it would match every IPv4 peer."""
    for name, found in prefixes("prefixes").items():
        for address, length in found:
            assert length >= 96 or (MAPPED >> (128 - length)) != (address >> (128 - length)), name


def test_special_is_the_union_of_what_is_not_reachable() -> None:
    lists = prefixes("prefixes")
    kept_out = {
        "special", "site", "multicast", "reachable_assignments", "translation", "tunnels", "deprecated",
    }  # fmt: skip
    assert lists["special"] == frozenset().union(*(found for name, found in lists.items() if name not in kept_out))


def test_the_exceptions_are_inside_the_assignments() -> None:
    outer = networks("protocol_assignments")
    for network in networks("reachable_assignments"):
        assert any(network.version == each.version and network[0] in each and network[-1] in each for each in outer)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8.8.8.8", True),
        ("2a01:4f8::1", True),
        ("9.255.255.255", True),
        ("10.0.0.0", False),
        ("10.255.255.255", False),
        ("11.0.0.0", True),
        ("100.63.255.255", True),
        ("100.64.0.0", False),
        ("100.127.255.255", False),
        ("100.128.0.0", True),
        ("172.15.255.255", True),
        ("172.31.255.255", False),
        ("172.32.0.0", True),
        ("192.0.0.8", False),
        ("192.0.0.9", True),
        ("192.0.0.10", True),
        ("192.0.0.11", False),
        ("192.0.1.0", True),
        ("192.88.99.1", True),
        ("198.17.255.255", True),
        ("198.19.255.255", False),
        ("198.20.0.0", True),
        ("223.255.255.255", True),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::2", True),
        ("64:ff9b::808:808", True),
        ("64:ff9b:1::1", False),
        ("100::1", False),
        ("100:0:0:1::", False),
        ("100:0:0:2::", True),
        ("2001::1", False),
        ("2001:1::1", True),
        ("2001:1::3", True),
        ("2001:1::4", False),
        ("2001:2::", False),
        ("2001:3::1", True),
        ("2001:4:112::53", True),
        ("2001:1f:ffff::", False),
        ("2001:2f:ffff::", True),
        ("2001:3f:ffff::", True),
        ("2001:40::", False),
        ("2001:1ff:ffff::", False),
        ("2001:200::", True),
        ("2001:db8::1", False),
        ("3fff:fff:ffff::", False),
        ("3fff:1000::", True),
        ("5f00::1", False),
        ("fbff:ffff::", True),
        ("fc00::", False),
        ("fdff:ffff::", False),
        ("fe80::1", False),
        ("fec0::1", True),
        ("ff02::1", False),
    ],
)
def test_is_global(text: str, expected: bool, is_global: Probe) -> None:
    assert is_global(peer=in_ipv6_form(ip_address(text))) == int(expected)


def test_is_global_at_the_edges_of_every_block(is_global: Probe) -> None:
    exceptions = networks("reachable_assignments")
    for network in networks("special"):
        for address in edges(network):
            reachable = any(address.version == each.version and address in each for each in exceptions)
            assert is_global(peer=in_ipv6_form(address)) == int(reachable), address


@pytest.fixture(scope="module")
def is_global() -> Probe:
    return Probe("prefixes.is_global(peer)", {"peer": "address = ::"}, "prefixes")
