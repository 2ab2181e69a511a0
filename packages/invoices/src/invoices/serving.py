"""Starting the HTTP server: the address, what may be served there, and what the operator is told."""

import asyncio
import ipaddress
import logging
import socket
from typing import Final

import uvicorn
from fastapi import FastAPI
from pydantic import HttpUrl
from rich.console import Console
from sqlalchemy import make_url

from invoices.accounts import service as accounts
from invoices.accounts.access import is_loopback
from invoices.app import create_app
from invoices.database import connect, make_sessions
from invoices.operating import OperatorError
from invoices.settings import Settings

__all__ = ["CannotServe", "listen", "local_url", "refusal_beyond_loopback", "serve"]

_GRACE_SECONDS: Final = 10


class CannotServe(OperatorError):
    """The service cannot be started like this; the text says why, and what to do."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises `CannotServe` where the address is taken or not of this machine."""
    try:
        (family, _, _, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        listener = socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        raise CannotServe(
            f"cannot listen on {host} port {port}: {error.strerror or error}. "
            "Choose another one with --host and --port."
        ) from error
    # Accepted connections inherit it; asyncio sets it only on sockets that it has made itself, and without it
    # an answer on a kept connection waits 40 ms for an acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def local_url(listener: socket.socket) -> str:
    """The address under which this machine reaches the socket."""
    host, port = listener.getsockname()[:2]
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"http://[{address}]:{port}" if address.version == 6 else f"http://{address}:{port}"


def refusal_beyond_loopback(settings: Settings, *, is_open: bool) -> str | None:
    """Why these settings must not be served to other machines; None where they may."""
    if is_open:
        return (
            "no API key exists yet, so everybody who can reach this address could send invoices in your "
            "name. Make a key first (`invoices accounts create NAME`), or serve on 127.0.0.1."
        )
    if settings.payments == "sandbox" and "payments" not in settings.model_fields_set:
        return (
            "customers would pay in the sandbox, where no money moves. Set INVOICES_PAYMENTS=stripe and its "
            "keys, or say INVOICES_PAYMENTS=sandbox if that is what you want."
        )
    return None


def serve(host: str, port: int) -> None:
    """Serve until a signal ends it."""
    settings = Settings()
    with listen(host, port) as listener:
        beyond = not is_loopback(listener.getsockname()[0])
        settings = _with_base_url(settings, listener)
        settings.prepare_data_dir()
        is_open = asyncio.run(_is_open(settings))
        app = _app(settings.with_console() if is_open else settings)
        if beyond and (reason := refusal_beyond_loopback(settings, is_open=is_open)):
            raise CannotServe(f"not serving on {host}: {reason}")
        logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(name)s: %(message)s")
        _tell(settings, listener, is_open=is_open)
        config = uvicorn.Config(
            app,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            access_log=False,
            log_config=None,
        )
        _Server(config).run(sockets=[listener])


class _Server(uvicorn.Server):
    """A server that tells open pages that it stops, instead of waiting for them."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app: FastAPI = self.config.app  # type: ignore[assignment]
        await app.state.watchers.close()
        await super().shutdown(sockets)


def _app(settings: Settings) -> FastAPI:
    try:
        return create_app(settings)
    except ValueError as error:
        raise CannotServe(str(error)) from error


def _with_base_url(settings: Settings, listener: socket.socket) -> Settings:
    if "base_url" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"base_url": HttpUrl(local_url(listener))})


async def _is_open(settings: Settings) -> bool:
    """Whether there is no API key, also while there are no tables yet."""
    engine = connect(settings.database)
    try:
        async with engine.connect() as connection:
            if not await connection.run_sync(lambda sync: engine.dialect.has_table(sync, "api_keys")):
                return True
        async with make_sessions(engine)() as session:
            return await accounts.is_open(session)
    finally:
        await engine.dispose()


def _tell(settings: Settings, listener: socket.socket, *, is_open: bool) -> None:
    console = Console(stderr=True, highlight=False)
    url = local_url(listener)
    console.print(f"[bold]Invoices[/] is served on [link={url}]{url}[/]")
    rows = {
        "documentation": f"{url}/docs",
        "links begin with": settings.site,
        "database": make_url(settings.database).render_as_string(hide_password=True),
        "mails": "to the SMTP server" if settings.smtp_url else f"as files into {settings.data_dir / 'mail'}",
        "payments": "sandbox: no money moves" if settings.payments == "sandbox" else settings.payments,
        **_console(settings, url, is_open=is_open),
        "callers": "this machine only, no key needed" if is_open else "whoever has an API key",
    }
    for name, value in rows.items():
        console.print(f"  [dim]{name:<17}[/]{value}")


def _console(settings: Settings, url: str, *, is_open: bool) -> dict[str, str]:
    if settings.console_secret.get_secret_value():
        return {"console": f"{url}/console/", "its secret": "as INVOICES_CONSOLE_SECRET says"}
    if is_open:
        return {"console": f"{url}/console/", "its secret": f"in {settings.console_secret_file}"}
    return {"console": "off; INVOICES_CONSOLE_SECRET switches it on"}
