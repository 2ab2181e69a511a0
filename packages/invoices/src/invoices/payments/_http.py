"""How the payment SDK speaks HTTP: one httpx client, whose proxy settings and timeouts are ours."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any, Final

import httpx
import stripe

__all__ = ["ProviderHttp"]

TIMEOUT: Final = 10.0
"""Seconds for each step of one request: connect, write, read."""


class ProviderHttp(stripe.HTTPClient):
    """The SDK's transport. Its own one for httpx reads HTTP_PROXY also for calls to this very machine."""

    name = "httpx"

    def __init__(self, *, trust_env: bool) -> None:
        super().__init__()
        self._httpx = httpx.AsyncClient(
            verify=ssl.create_default_context(cafile=stripe.ca_bundle_path),
            timeout=TIMEOUT,
            trust_env=trust_env,
            follow_redirects=False,
        )

    async def sleep_async(self, secs: float) -> None:
        """Wait between two tries."""
        await asyncio.sleep(secs)

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """One request; a failure of the network is what the SDK may try again."""
        try:
            answer = await self._httpx.request(method, url, headers=headers, content=post_data or None)
        except httpx.HTTPError as error:
            message = f"{type(error).__name__} while calling the payment provider"
            raise stripe.APIConnectionError(message, should_retry=True) from error  # type: ignore[no-untyped-call]
        return answer.content, answer.status_code, answer.headers

    async def close_async(self) -> None:
        """Close every connection."""
        await self._httpx.aclose()
