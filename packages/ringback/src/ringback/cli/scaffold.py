"""``ringback scaffold``: begin a receiver from the provider's document."""

from pathlib import Path
from typing import Annotated

import typer

from ringback.cli._documents import load_document
from ringback.cli._output import count, output, plain
from ringback.kit._declared import NoSuchCallback
from ringback.kit.scaffold import State, Written, project_files, write_files

__all__ = ["scaffold"]

_STYLES = {State.NEW: "green", State.RENEWED: "green", State.REPLACED: "yellow", State.KEPT: "bold yellow"}
_LINES = {"+": "green", "-": "red", "@": "cyan"}


def scaffold(
    document: Annotated[
        str, typer.Argument(metavar="DOCUMENT", help="The provider's OpenAPI document: a file or a URL.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the project goes.")],
    callback: Annotated[
        list[str] | None,
        typer.Option("--callback", metavar="NAME", help="Only this callback; may be repeated."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what you have changed, the handlers too.")
    ] = False,
) -> None:
    """Write a small FastAPI project that receives an API's callbacks: types, handlers, verification, tests.

    Run it again when the document has changed: the types are made again, and what you have changed is kept
    and compared.
    """
    try:
        files = project_files(
            load_document(document), source=document, wanted=callback or (), folder=str(out)
        )
    except NoSuchCallback as error:
        raise typer.BadParameter(
            f"{document}: {error}", param_hint="--callback" if callback else None
        ) from None
    written = write_files(out, files, force=force)
    _tell(out, written)


def _tell(out: Path, written: list[Written]) -> None:
    console = output()
    for file in written:
        console.print(
            plain(f"{file.state.value:>10}", _STYLES.get(file.state, "dim")), plain(out / file.path)
        )
    for file in written:
        if file.diff:
            console.print()
        for line in file.diff.splitlines():
            console.print(plain(line, _LINES.get(line[:1], "")))
    kept = sum(file.state is State.KEPT for file in written)
    if kept:
        console.print()
        console.print(
            plain(
                f"{count(kept, 'file')} of yours kept as shown above; --force would replace all of them.",
                "bold yellow",
            )
        )
    if any(file.state is State.NEW and file.path == "README.md" for file in written):
        console.print()
        console.print(plain("Start it:  "), plain(f"cd {out}", "bold"))
        console.print(plain("           WEBHOOK_SECRET=whsec_... uv run python -m receiver", "bold"))
