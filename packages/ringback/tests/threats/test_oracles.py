"""Threat t01 by other people's judgement: what two independent libraries refuse, the guard refuses too."""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import pytest
from AntiSSRF.ipaddress_ranges import IPAddressRanges
from hypothesis import given, settings
from hypothesis import strategies as st
from ssrfguard import DEFAULT_DENIED, Policy, SSRFGuardError
from testkit.corpus import read_corpus

from ringback._addresses import judge_address
from ringback._errors import Blocked, InvalidUrl
from ringback._guard import NetworkPolicy
from ringback._urls import IPAddress, literal_address, parse_url

MICROSOFT = [ip_network(text) for text in IPAddressRanges.recommended_latest]
NETWORKS = [*MICROSOFT, *(block.network for block in DEFAULT_DENIED.blocks)]


def oracles_refuse(address: IPAddress) -> bool:
    inside = any(address in network for network in MICROSOFT if network.version == address.version)
    return inside or DEFAULT_DENIED.classify(address).blocked


def around(network: IPv4Network | IPv6Network) -> Iterator[IPAddress]:
    """Both edges, the middle, and their neighbours on the outside."""
    first, last = int(network.network_address), int(network.broadcast_address)
    kind = type(network.network_address)
    for number in (first - 1, first, first + 1, (first + last) // 2, last - 1, last, last + 1):
        if 0 <= number < 1 << network.max_prefixlen:
            yield kind(number)


@pytest.mark.parametrize("network", sorted({str(network) for network in NETWORKS}))
def test_t01_a_network_that_an_oracle_refuses_is_refused_to_its_edges(network: str) -> None:
    wrong = [a for a in around(ip_network(network)) if oracles_refuse(a) and judge_address(a) is None]
    assert wrong == []


@settings(max_examples=500, deadline=None)
@given(st.ip_addresses() | st.sampled_from(NETWORKS).flatmap(lambda n: st.ip_addresses(network=n)))
def test_t01_no_address_is_public_here_that_an_oracle_refuses(address: IPAddress) -> None:
    if oracles_refuse(address):
        assert judge_address(address) is not None


def test_t01_the_oracles_refuse_no_url_of_the_corpus_that_is_public_by_its_address_here() -> None:
    policy = Policy(allowed_ports=frozenset({80, 443, 8080, 8443}))
    wrong = []
    for row in read_corpus():
        try:
            url = parse_url(row.url)
            NetworkPolicy().check_url(url)
        except (InvalidUrl, Blocked):
            continue
        if literal_address(url.host) is None:
            continue
        try:
            policy.check_url(row.url)
        except SSRFGuardError as refused:
            wrong.append((row.url, str(refused)))
    assert wrong == []


def test_the_oracles_are_awake() -> None:
    for text in ("10.0.0.1", "169.254.169.254", "::1", "fd00::1", "64:ff9b::a00:1"):
        assert oracles_refuse(ip_address(text))
    for text in ("8.8.8.8", "2606:4700:4700::1111"):
        assert not oracles_refuse(ip_address(text))
