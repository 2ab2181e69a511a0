"""``ringback listen``: be the external API on this machine, and show what comes in."""

import asyncio
import json
import signal
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.text import Text

from ringback.cli._documents import load_bytes, load_document
from ringback.cli._output import error_console, output, plain
from ringback.cli._times import local_time
from ringback.kit._behave import NAMES, Script, parse_behaviours
from ringback.kit._declared import NoSuchCallback, choose
from ringback.kit.listen import Entry, Finding, Journal, Listener, keys_of_jwks, open_port, run, whole

__all__ = ["listen"]

_SIGNS = {Finding.RIGHT: ("✓", "green"), Finding.WRONG: ("✗", "bold red"), Finding.UNCHECKED: ("·", "dim")}


class Format(StrEnum):
    """For whom requests are written."""

    TEXT = "text"
    JSON = "json"


def listen(  # noqa: PLR0913, PLR0917  (each is an option)
    document: Annotated[
        str, typer.Argument(metavar="DOCUMENT", help="The provider's OpenAPI document: a file or a URL.")
    ],
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="Where callbacks are taken.")] = 8001,
    page_port: Annotated[
        int | None,
        typer.Option(
            "--page-port",
            min=0,
            max=65_535,
            help="Where the page and the feed are; the next port if not given.",
        ),
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(
            "--secret", metavar="whsec_…", envvar="WEBHOOK_SECRET", help="What signatures are verified with."
        ),
    ] = None,
    jwks: Annotated[
        str,
        typer.Option("--jwks", metavar="FILE|URL", help="The provider's public keys, for v1a signatures."),
    ] = "",
    callback: Annotated[
        list[str] | None,
        typer.Option("--callback", metavar="NAME", help="Only this callback; may be repeated."),
    ] = None,
    behave: Annotated[
        list[str] | None,
        typer.Option(
            "--behave",
            metavar="HOW,…",
            help=f"How to answer, one after the other: 500, 429:retry-after=30, {', '.join(NAMES)}.",
        ),
    ] = None,
    at_random: Annotated[
        bool, typer.Option("--random", help="Choose one of --behave for each request.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option("--seed", help="The same choices each time; implies --random.")
    ] = None,
    answer: Annotated[
        str | None,
        typer.Option(
            "--answer", metavar="JSON", help="The answer, in place of an example of the documented one."
        ),
    ] = None,
    accept_all: Annotated[
        bool, typer.Option("--accept-all", help="Answer what is wrong as if it were right.")
    ] = False,
    host: Annotated[
        str,
        typer.Option("--host", help="The address to listen at; others than this machine's can be reached."),
    ] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="A name under which the page may be opened."),
    ] = None,
    keep: Annotated[int, typer.Option("--keep", min=1, max=100_000, help="Requests to remember.")] = 500,
    max_body: Annotated[
        int, typer.Option("--max-body", min=1, max=64 << 20, help="Bytes that a body may have.")
    ] = 1 << 20,
    form: Annotated[Format, typer.Option("--format", help="For people, or a line of JSON for each.")] = (
        Format.TEXT
    ),
) -> None:
    """Take the callbacks of a document, judge each request by it, and answer what is declared.

    What is wrong is refused, as a right receiver does: 403 for a signature, 422 for what is not as
    documented. A page shows everything live, and its /requests.json tells programs; /requests.json?wait=10
    waits for the next one.
    """
    loaded = load_document(document)
    try:
        chosen = choose(loaded, callback or ())
    except NoSuchCallback as error:
        raise typer.BadParameter(
            f"{document}: {error}", param_hint="--callback" if callback else "DOCUMENT"
        ) from None
    secrets = [one for text in secret or () for one in text.split()]
    if jwks:
        secrets += keys_of_jwks(load_bytes(jwks), source=jwks)
    listener = Listener(
        loaded,
        chosen,
        secrets=secrets,
        script=Script(parse_behaviours(behave or ["ok"]), at_random=at_random, seed=seed),
        accept_all=accept_all,
        journal=Journal(keep),
        on_entry=_tell if form is Format.TEXT else _tell_program,
        **({} if answer is None else {"answer": _json(answer)}),
    )
    _serve(listener, document, host, port, page_port, allow_host or [], max_body)


def _serve(
    listener: Listener,
    document: str,
    host: str,
    port: int,
    page_port: int | None,
    names: list[str],
    max_body: int,
) -> None:
    with open_port(host, port) as callbacks:
        following = callbacks.getsockname()[1] + 1 if port and page_port is None else page_port or 0
        with open_port(host, following if following <= 65_535 else 0) as page:
            _introduce(listener, host, callbacks.getsockname()[1], page.getsockname()[1])
            with suppress(KeyboardInterrupt):
                asyncio.run(
                    _until_told(
                        lambda closing: run(
                            listener,
                            callbacks,
                            page,
                            closing=closing,
                            title=document,
                            names=names,
                            max_body=max_body,
                        )
                    )
                )


async def _until_told(serve: Callable[[asyncio.Event], Any]) -> None:
    closing = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt there
            loop.add_signal_handler(number, closing.set)
    await serve(closing)


def _introduce(listener: Listener, host: str, port: int, page_port: int) -> None:
    console = error_console()
    shown = f"[{host}]" if ":" in host else host
    console.print(plain("Give the provider  "), plain(f"http://{shown}:{port}", "bold"), sep="")
    console.print(plain("See what comes in  "), plain(f"http://{shown}:{page_port}/", "bold"), sep="")
    about = listener.about()
    for one in about["callbacks"]:
        console.print(plain(f"Callback           {one['name']}: {one['method']} {one['key']}", "dim"))
    if not about["verifies"]:
        console.print(plain("Signatures are not verified: give the secret with --secret.", "yellow"))
    if host not in ("127.0.0.1", "::1", "localhost"):
        console.print(plain("Whoever reaches these ports can read what came in.", "yellow"))
    console.print(plain("Ctrl-C ends it.", "dim"))


def _tell(entry: Entry) -> None:
    line = Text()
    sign, style = _SIGNS[Finding.RIGHT if entry.is_right else Finding.WRONG]
    said = "no answer" if entry.status is None else str(entry.status)
    again = f", attempt {entry.delivery}" if entry.delivery > 1 else ""
    for part in (
        plain(local_time(entry.at).split(" ")[1], "dim"),
        plain(sign, style),
        plain(f"{entry.incoming.method} {entry.incoming.target[:300]}", "bold"),
        plain(f"{entry.callback or 'no callback of the document'}{again}", "cyan"),
        plain(f"→ {said} ({entry.behaviour})"),
    ):
        line.append(part).append("  ")
    console = output()
    console.print(line, soft_wrap=True)
    for check in entry.checks:
        sign, style = _SIGNS[check.finding]
        if check.finding is not Finding.RIGHT or check.subject == "signature":
            console.print(Text("            ").append(plain(f"{sign} {check.subject}: {check.text}", style)))


def _tell_program(entry: Entry) -> None:
    typer.echo(json.dumps(whole(entry)))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not JSON: {error}.", param_hint="--answer") from None
