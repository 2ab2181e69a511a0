"""Where the service may be served, and what the operator is told."""

import socket

import pytest

from invoices.serving import CannotServe, listen, local_url, refusal_beyond_loopback
from invoices.settings import Settings


def test_beyond_this_machine_a_key_is_needed() -> None:
    reason = refusal_beyond_loopback(Settings(payments="sandbox"), is_open=True)
    assert reason is not None
    assert "accounts create" in reason


def test_beyond_this_machine_the_sandbox_must_be_meant() -> None:
    reason = refusal_beyond_loopback(Settings(), is_open=False)
    assert reason is not None
    assert "INVOICES_PAYMENTS" in reason
    assert refusal_beyond_loopback(Settings(payments="sandbox"), is_open=False) is None


def test_with_keys_of_its_own_it_may_be_served_everywhere() -> None:
    settings = Settings(payments="stripe", stripe_secret_key="sk", stripe_webhook_secret="wh")  # type: ignore[arg-type]
    assert refusal_beyond_loopback(settings, is_open=False) is None


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            CannotServe, match=f"cannot listen on 127.0.0.1 port {port}: Address already in use"
        ):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-name.invalid"])
def test_an_address_of_another_machine_is_told(host: str) -> None:
    with pytest.raises(CannotServe, match=f"cannot listen on {host}"):
        listen(host, 0)


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1"), ("0.0.0.0", "http://127.0.0.1"), ("localhost", "http://127.0.0.1")],
)
def test_the_address_for_links_is_one_that_this_machine_reaches(host: str, url: str) -> None:
    with listen(host, 0) as listener:
        assert local_url(listener) == f"{url}:{listener.getsockname()[1]}"
