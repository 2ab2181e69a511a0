"""The files of a receiver's project, as texts by their paths."""

import shlex
from collections.abc import Mapping, Sequence
from importlib.resources import files
from string import Template
from typing import Any, Final

from ringback._urls import Url
from ringback.kit._calls import Caller
from ringback.kit._declared import choose
from ringback.kit.scaffold._endpoints import Endpoint, endpoints
from ringback.kit.scaffold._handlers import handlers_text
from ringback.kit.scaffold._literals import WIDTH, literal
from ringback.kit.scaffold._models import ModelSet
from ringback.kit.scaffold._names import one_line

__all__ = ["project_files"]

_PORT: Final = 8001
_CHECK_PATH: Final = ", check_path=False"
_STATIC: Final = {
    "receiver/__main__.py": "main",
    "receiver/app.py": "app",
    "tests/conftest.py": "conftest",
    "Dockerfile": "dockerfile",
    ".gitignore": "gitignore",
}


def project_files(
    document: Mapping[str, Any],
    *,
    source: str = "openapi.json",
    wanted: Sequence[str] = (),
    folder: str = ".",
) -> dict[str, str]:
    """The texts of a project that receives the wanted callbacks of a document (all, if none is named).

    `source` is how the document was named, `folder` where the project goes: its README repeats them. Raises
    `RingbackError` where a callback cannot be read, or no types can be made.
    """
    models = ModelSet()
    chosen = endpoints(document, choose(document, wanted), models)
    title = one_line((document.get("info") or {}).get("title") or "an API", 60)
    is_form = any(e.body is not None and e.body.kind == "form" for e in chosen)
    is_ringbacks = all(e.declared.is_ringbacks for e in chosen)
    filled = {
        "receiver/verification.py": ("verification", {"check_path": "" if is_ringbacks else _CHECK_PATH}),
        "tests/test_callbacks.py": (
            "test_callbacks",
            {"calls": "".join(_call(document, endpoint) for endpoint in chosen)},
        ),
        "pyproject.toml": (
            "pyproject",
            {"title": title, "multipart": '"python-multipart>=0.0.20",\n  ' if is_form else ""},
        ),
        "README.md": ("readme", _readme(title, chosen, source, wanted, folder)),
    }
    return {
        "receiver/__init__.py": f'"""Receives the callbacks of {title}."""\n',
        **{path: _template(name) for path, name in _STATIC.items()},
        "receiver/handlers.py": handlers_text(chosen),
        "receiver/models.py": models.write(),
        "tests/__init__.py": "",
        **{path: Template(_template(name)).substitute(values) for path, (name, values) in filled.items()},
    }


def _template(name: str) -> str:
    return files("ringback.kit.scaffold").joinpath("project", f"{name}.txt").read_text(encoding="utf-8")


def _readme(
    title: str, chosen: Sequence[Endpoint], source: str, wanted: Sequence[str], folder: str
) -> dict[str, str]:
    here = f"http://127.0.0.1:{_PORT}"
    names = [f" --callback {shlex.quote(e.declared.name)}" if len(chosen) > 1 else "" for e in chosen]
    checks = [
        f"    ringback check {here}{e.base} {shlex.quote(source)}{name} --secret whsec_..."
        for e, name in zip(chosen, names, strict=True)
    ]
    options = "".join(f" --callback {shlex.quote(name)}" for name in wanted)
    return {
        "title": title,
        "callbacks": "\n".join(
            f"- `{one_line(e.declared.name)}`: {e.method} `{e.path}`.\n"
            f"  Give the provider `{here}{e.base}`, or what leads there from outside."
            for e in chosen
        ),
        "checks": "\n".join(checks),
        "again": f"ringback scaffold {shlex.quote(source)}{options} --out {shlex.quote(folder)}",
    }


def _call(document: Mapping[str, Any], endpoint: Endpoint) -> str:
    """One line of the tests: an example of this callback, as the provider would send it."""
    caller = Caller(document, endpoint.declared, Url("http", "testserver", 80, endpoint.base or "/"))
    payload = caller.payload()
    values = (
        endpoint.method,
        caller.url(payload).target,
        dict(payload.headers),
        payload.body,
        endpoint.answer.status,
    )
    lines = "".join(f"        {literal(value, indent=8, room=WIDTH - 9)},\n" for value in values)
    return f"    (\n{lines}    ),\n"
