"""Options and groups that several commands have in common."""

from typing import Annotated

import typer

__all__ = ["AsJson", "OneOwner", "OwnerArgument", "OwnerFilter", "group", "whose"]

AsJson = Annotated[bool, typer.Option("--json", help="JSON for programs instead of text for people.")]
OwnerFilter = Annotated[str | None, typer.Option("--owner", help="Only of this owner.")]
OneOwner = Annotated[
    str, typer.Option("--owner", help="Whose it is; leave it out if the app names no owners.")
]
OwnerArgument = Annotated[
    str, typer.Argument(metavar="OWNER", help="Whose it is; leave it out if the app names no owners.")
]


def group(name: str, help_: str) -> typer.Typer:
    """A noun with its commands."""
    return typer.Typer(name=name, no_args_is_help=True, add_completion=False, help=help_)


def whose(owner: str) -> str:
    """An owner in a sentence."""
    return f"owner {owner!r}" if owner else "the app itself"
