"""The open mode: who may call while no API key exists."""

import pytest

from invoices.accounts.access import is_loopback, refusal_in_open_mode
from invoices.accounts.keys import digest, new_key, prefix_of

HEADERS = ["host", "accept", "user-agent"]


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1"])
@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:8000", "127.0.0.1", "127.0.0.1:8000", "[::1]", "[::1]:8000"]
)
def test_this_machine_may_call(peer: str, host: str) -> None:
    assert refusal_in_open_mode(peer, [host], HEADERS) is None


@pytest.mark.parametrize(
    "peer", [None, "192.168.1.5", "10.0.0.1", "2001:db8::1", "testclient", "", "::ffff:1.2.3.4"]
)
def test_another_machine_may_not(peer: str | None) -> None:
    assert refusal_in_open_mode(peer, ["localhost"], HEADERS) == "it does not come from this machine"


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [""],
        ["evil.example"],
        ["localhost.evil.example"],
        ["127.0.0.1.evil.example"],
        ["localhost", "evil.example"],
        ["localhost:8000:1"],
        ["localhost:"],
        ["127.0.0.2"],
        ["::1"],
        ["localhost\x00"],
        ["localhost\n"],
        ["user@localhost"],
    ],
)
def test_a_page_under_another_name_may_not(hosts: list[str]) -> None:
    reason = refusal_in_open_mode("127.0.0.1", hosts, HEADERS)
    assert reason == "its Host is not localhost, 127.0.0.1 or [::1]"


@pytest.mark.parametrize(
    "name",
    [
        "Forwarded",
        "forwarded",
        "X-Forwarded-For",
        "x-forwarded-proto",
        "X-FORWARDED-HOST",
        "Via",
        "X-Real-IP",
    ],
)
def test_a_proxy_may_not_lend_its_loopback_address(name: str) -> None:
    assert refusal_in_open_mode("127.0.0.1", ["localhost"], [*HEADERS, name]) == "it was forwarded by a proxy"


def test_only_addresses_count_as_loopback() -> None:
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert not is_loopback("localhost")
    assert not is_loopback("0.0.0.0")


def test_a_new_key_is_found_by_its_prefix_and_stored_as_a_digest() -> None:
    key = new_key()
    assert prefix_of(key.text) == key.prefix
    assert key.digest == digest(key.text)
    assert key.text not in (key.prefix, key.digest)
    assert new_key().text != key.text


@pytest.mark.parametrize(
    "text", ["", "inv_", "inv_abcdefgh_short", "sk_test_abc", "inv_ABCDEFGH_" + "a" * 43, "é" * 60]
)
def test_other_words_are_no_keys(text: str) -> None:
    assert prefix_of(text) is None
