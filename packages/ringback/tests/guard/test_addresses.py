"""The address tables: both edges of every block, and everything that embeds an IPv4 address."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback._addresses import embedded_address, is_metadata, judge_address

REFUSED = """
0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.100.100.200 100.127.255.255 127.0.0.0
127.0.0.1 127.255.255.255 168.63.129.16 169.254.0.0 169.254.169.254 169.254.255.255 172.16.0.0
172.31.255.255 192.0.0.0 192.0.0.9 192.0.0.192 192.0.0.255 192.0.2.0 192.0.2.255 192.31.196.1
192.52.193.1 192.88.99.1 192.168.0.0 192.168.255.255 192.175.48.1 198.18.0.0 198.19.255.255 198.51.100.0
203.0.113.255 224.0.0.0 239.255.255.255 240.0.0.0 255.255.255.255 :: ::1 ::2 ::7f00:1 ::ffff:127.0.0.1
::ffff:8.8.8.8 ::ffff:0:127.0.0.1 ::ffff:0:8.8.8.8 64:ff9b::127.0.0.1 64:ff9b::8.8.8.8 64:ff9b:1::
64:ff9b:1:a9fe:a9:fe00:: 64:ff9b:1:ffff:ffff:ffff:ffff:ffff 100:: 100::1 100:0:0:1::1
1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 2001:: 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:1::1 2001:2::1
2001:3::1 2001:4:112::1 2001:10::1 2001:20::1 2001:30::1 2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff
2001:db8:: 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff 2002:: 2002:7f00:1:: 2002:808:808::1
2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff 2620:4f:8000::1 3fff:: 3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff
4000:: 5f00::1 8000::1 fbff::1 fc00:: fd00:ec2::254 fd7a:115c:a1e0::1
fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff fe80:: fe80::a9fe:a9fe fe80::1%eth0 fec0:: feff::1 ff02::1
ff0e::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 2a00:1450::5efe:10.0.0.1 2a00:1450::200:5efe:8.8.8.8
"""

PUBLIC = """
1.0.0.0 1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 93.184.215.14 100.63.255.255 100.128.0.0 126.255.255.255
128.0.0.0 168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0
191.255.255.255 192.0.1.0 192.0.3.0 192.31.195.255 192.31.197.0 192.88.98.255 192.88.100.0
192.167.255.255 192.169.0.0 192.175.47.255 192.175.49.0 198.17.255.255 198.20.0.0 198.51.99.255
198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255 2000:: 2000::1 2001:200:: 2001:db7:ffff::
2001:db9:: 2003:: 2606:4700:4700::1111 2620:4f:7fff::1 2620:4f:8001::1 2a00:1450:4001::1 3ffe::1
3fff:1000::1 3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
"""


METADATA = """
169.254.169.254 169.254.170.2 169.254.170.23 100.100.100.200 192.0.0.192 168.63.129.16 fd00:ec2::254
fd00:ec2::23 fd20:ce::254 fe80::a9fe:a9fe ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe
2002:a9fe:a9fe::1 ::a9fe:a9fe
"""


@pytest.mark.parametrize("text", REFUSED.split())
def test_an_address_that_is_not_public_is_refused_with_a_reason(text: str) -> None:
    assert judge_address(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC.split())
def test_a_public_address_is_not_refused(text: str) -> None:
    assert judge_address(ip_address(text)) is None


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::ffff:0:10.0.0.1", "10.0.0.1"),
        ("::10.0.0.1", "10.0.0.1"),
        ("64:ff9b::10.0.0.1", "10.0.0.1"),
        ("64:ff9b:1:a9fe:a9:fe00::", "169.254.169.254"),
        ("2002:a9fe:a9fe::", "169.254.169.254"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "192.0.2.45"),
        ("2a00:1450::5efe:10.0.0.1", "10.0.0.1"),
        ("2606:4700::1", None),
        ("::1", None),
        ("10.0.0.1", None),
    ],
)
def test_the_address_inside_an_address_is_found(text: str, inner: str | None) -> None:
    found = embedded_address(ip_address(text))
    assert (None if found is None else str(found)) == inner


@pytest.mark.parametrize("text", METADATA.split())
def test_where_clouds_keep_credentials_is_known_in_every_form(text: str) -> None:
    assert is_metadata(ip_address(text))


@pytest.mark.parametrize("text", ["169.254.0.1", "10.0.0.1", "8.8.8.8", "fd00::1", "2606:4700::1"])
def test_other_addresses_are_not_taken_for_metadata(text: str) -> None:
    assert not is_metadata(ip_address(text))


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_at_least_what_the_standard_library_calls_private_is_refused(address: IPv4Address) -> None:
    if address.is_private or address.is_multicast or address.is_reserved or not address.is_global:
        assert judge_address(address)


FORMS = st.sampled_from(["::ffff:{}", "::ffff:0:{}", "64:ff9b::{}", "::{}"])


@given(st.integers(0, 2**32 - 1).map(IPv4Address), FORMS)
def test_no_form_of_an_ipv4_address_is_public(address: IPv4Address, form: str) -> None:
    assert judge_address(IPv6Address(form.format(address)))


@given(st.integers(0, 2**128 - 1).map(IPv6Address))
def test_an_ipv6_address_outside_the_global_block_is_refused(address: IPv6Address) -> None:
    if int(address) >> 125 != 1:
        assert judge_address(address)
    if not address.is_global or address.is_private:
        assert judge_address(address)
