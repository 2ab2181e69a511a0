"""The pages that are written from code: commands from their help, operations from the service's document."""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer

__all__ = ["GENERATED"]


def _ringback_command() -> str:
    from ringback.cli import app

    return _command_page("ringback", app, "Workers, deliveries, endpoints, keys, and tools for receivers.")


def _invoices_command() -> str:
    from invoices.cli import app

    return _command_page("invoices", app, "The service: serve it, play its demo, manage its accounts.")


def _command_page(name: str, app: typer.Typer, about: str) -> str:
    parts = [f"# The command `{name}`", f"{about} Written from `{name} --help`."]
    for path, command in _commands(typer.main.get_command(app), (name,)):
        parts += _command(path, command)
    return "\n\n".join(parts) + "\n"


# Commands are Any: their classes are those of the click that Typer brings along, and have no public name.
def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not hasattr(command, "list_commands"):
        yield path, command
        return
    context = command.context_class(command)
    for name in command.list_commands(context):
        one = command.get_command(context, name)  # a group may load its commands only now
        if not one.hidden:
            yield from _commands(one, (*path, name))


def _command(path: tuple[str, ...], command: Any) -> Iterator[str]:
    context = command.context_class(command, info_name=" ".join(path))
    yield f"## `{' '.join(path)}`"
    yield f"```text\n{' '.join([*path, *command.collect_usage_pieces(context)])}\n```"
    yield inspect.cleandoc(command.help or "")
    if command.epilog:
        example = command.epilog.removeprefix("Example: ")
        yield f"For example: `{example}`"
    rows = [record for one in command.get_params(context) if (record := _described(one))]
    if rows:
        yield "\n".join(["| Option | |", "| --- | --- |", *(f"| {names} | {text} |" for names, text in rows)])


def _described(parameter: Any) -> tuple[str, str] | None:
    if "--help" in parameter.opts or getattr(parameter, "hidden", False):
        return None
    if parameter.param_type_name == "argument":
        names = f"`{parameter.metavar or parameter.name.upper()}`"
    else:
        names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
    text = getattr(parameter, "help", "") or ""
    default = parameter.default
    if default not in (None, False, True, "", ()) and not callable(default):
        text += f" Default: `{default}`."
    return names, text.replace("|", "\\|").replace("\n", " ")


def _operations() -> str:
    """The service's operations, as its own OpenAPI document describes them."""
    from invoices.app import create_app
    from invoices.settings import Settings

    with TemporaryDirectory() as folder:
        document = create_app(Settings(data_dir=Path(folder))).openapi()
    parts = [
        "# Operations of the service",
        "Written from the OpenAPI document, which `/openapi.json` has in full and `/docs` shows "
        "with its schemas and its **Callbacks**.",
        "Every refusal is a problem document (RFC 9457, `application/problem+json`): `title`, `status`, a "
        "`detail` that says what happened and what to do, and `errors` with the `field`, the `place` and the "
        "`reason`, where values are to blame.",
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts += _operation(f"{method.upper()} {path}", operation)
    return "\n\n".join(parts) + "\n"


def _operation(name: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"## `{name}`"
    yield operation.get("description") or operation["summary"]
    given = operation.get("parameters", [])
    if given:
        rows = [f"| `{one['name']}` | {one['in']} | {one.get('description', '')} |" for one in given]
        yield "\n".join(["| Parameter | In | |", "| --- | --- | --- |", *rows])
    told = sorted(operation["responses"].items())  # "default" is the last
    answers = [f"| {status} | {answer.get('description', '')} |" for status, answer in told]
    yield "\n".join(["| Answer | |", "| --- | --- |", *answers])
    for callback, keys in operation.get("callbacks", {}).items():
        for key, called in keys.items():
            yield f"Calls back, as `{callback}`: `{', '.join(called).upper()} {key}`"


GENERATED: dict[str, Callable[[], str]] = {
    "reference/ringback-command.md": _ringback_command,
    "reference/invoices-command.md": _invoices_command,
    "reference/operations.md": _operations,
}
"""Pages of the site that are in no folder of the project, and what writes them."""
