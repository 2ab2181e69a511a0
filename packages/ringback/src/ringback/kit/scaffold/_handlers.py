"""handlers.py: one function for each callback, which the developer goes on with."""

import pprint
from collections.abc import Iterable, Sequence
from typing import Any, Final

from ringback.kit._examples import example
from ringback.kit.scaffold._endpoints import Answer, Endpoint, Parameter
from ringback.kit.scaffold._names import one_line

__all__ = ["handlers_text"]

_HEAD: Final = '''"""What happens when a callback arrives. This file is yours: `ringback scaffold` does not overwrite it."""'''
_CLASSES: Final = {"path": "Path", "query": "Query", "header": "Header", "cookie": "Cookie"}
_WIDTH: Final = 100


def handlers_text(endpoints: Sequence[Endpoint]) -> str:
    """The module's text: formatted, typed, and running as it is."""
    functions = [_function(endpoint) for endpoint in endpoints]
    return "\n".join(
        [
            _HEAD,
            "",
            *_imports(endpoints, "\n".join(functions)),
            "",
            "router = APIRouter()",
            "logger = logging.getLogger(__name__)",
            "",
            "Verified = Annotated[Message, Depends(receiver)]",
            '"""What the signature vouches for. `id` is the same each time that one delivery is repeated."""',
            "",
            "",
            "\n\n\n".join(functions),
            "",
        ]
    )


def _imports(endpoints: Sequence[Endpoint], text: str) -> list[str]:
    def used(names: Iterable[str]) -> list[str]:
        return [
            name
            for name in sorted(set(names))
            if f"{name}(" in text or f" {name}" in text or f"[{name}" in text
        ]

    times = used(["date", "datetime"])
    typing = ["Annotated", *used(["Any", "Literal"])]
    fastapi = ["APIRouter", "Depends", *used(["Cookie", "Form", "Header", "Query", "Response", "Body"])]
    models = [e.body.model for e in endpoints if e.body] + [e.answer.model for e in endpoints]
    named = sorted(
        {name for name in models if name not in ("", "Any")}, key=lambda name: (name.lower(), name)
    )
    return [
        *([f"from datetime import {', '.join(times)}"] if times else []),
        "import logging",
        f"from typing import {', '.join(typing)}",
        *(["from uuid import UUID"] if used(["UUID"]) else []),
        "",
        f"from fastapi import {', '.join(sorted(fastapi, key=str.lower))}",
        "from ringback.receiver import Message",
        "",
        *_from_models(named),
        "from receiver.verification import inbox, receiver",
    ]


def _from_models(names: Sequence[str]) -> list[str]:
    line = f"from receiver.models import {', '.join(names)}"
    if not names:
        return []
    if len(line) <= _WIDTH:
        return [line]
    return ["from receiver.models import (", *(f"    {name}," for name in names), ")"]


def _function(endpoint: Endpoint) -> str:
    returned, statement = _returned(endpoint.answer)
    operation = endpoint.declared.place.operation
    words = one_line(operation.get("summary") or operation.get("description") or "").rstrip(".")
    shown = ", ".join(name for name in _shown(endpoint))
    return "\n".join(
        [
            _decorator(endpoint),
            f"async def {endpoint.function}(",
            *(f"    {line}," for line in _arguments(endpoint)),
            f") -> {returned}:",
            f'    """{words or endpoint.function}."""',
            "    async with inbox.once(message.id) as owed:",
            "        if owed:  # a delivery that comes again is answered again, and acted on once",
            f'            logger.info("{endpoint.function} %s: %s", message.id, {shown})  # act here',
            f"    return {statement}",
        ]
    )


def _decorator(endpoint: Endpoint) -> str:
    method = endpoint.method.lower()
    known = method in {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
    arguments = [_quoted(endpoint.base + endpoint.route)]
    if not known:
        arguments.append(f"methods=[{_quoted(endpoint.method)}]")
    if endpoint.answer.status != 200:
        arguments.append(f"status_code={endpoint.answer.status}")
    if endpoint.answer.model not in ("", "Any"):
        arguments.append("response_model_exclude_unset=True")
    verb = method if known else "api_route"
    line = f"@router.{verb}({', '.join(arguments)})"
    if len(line) <= _WIDTH:
        return line
    return "\n".join([f"@router.{verb}(", *(f"    {argument}," for argument in arguments), ")"])


def _arguments(endpoint: Endpoint) -> list[str]:
    needed = [_argument(p) for p in endpoint.parameters if p.required]
    optional = [f"{_argument(p)} = None" for p in endpoint.parameters if not p.required]
    body = endpoint.body
    if body is not None and body.kind != "raw":
        kind = body.model
        if body.kind == "form":
            kind = f"Annotated[{kind}, Form()]"
        elif kind == "Any":
            kind = "Annotated[Any, Body()]"
        needed += [f"event: {kind}"] if body.required else []
        optional = [*([] if body.required else [f"event: {kind} | None = None"]), *optional]
    return [*needed, "message: Verified", *optional]


def _argument(parameter: Parameter) -> str:
    kind = parameter.annotation
    if not parameter.required and not kind.endswith("| None"):
        kind = f"{kind} | None"
    if parameter.place == "path" or (parameter.place == "query" and parameter.python == parameter.name):
        marked = (
            kind
            if parameter.place == "path" or not kind.startswith("list")
            else f"Annotated[{kind}, Query()]"
        )
        return f"{parameter.python}: {marked}"
    marker = _CLASSES[parameter.place]
    return f"{parameter.python}: Annotated[{kind}, {marker}(alias={_quoted(parameter.name)})]"


def _shown(endpoint: Endpoint) -> list[str]:
    if endpoint.body is None:
        return [p.python for p in endpoint.parameters][:1] or ["message.timestamp"]
    return ["message.body"] if endpoint.body.kind == "raw" else ["event"]


def _returned(answer: Answer) -> tuple[str, str]:
    """The type that a handler returns, and the expression that makes it."""
    if answer.schema is None:
        return "Response", f"Response(status_code={answer.status})"
    value = example(answer.schema)
    if answer.model != "Any":
        return answer.model, _construction(answer, value)
    if answer.media_type and not answer.schema.anything:
        content = value if isinstance(value, str) else str(value)
        return "Response", (
            f"Response({_quoted(content)}, status_code={answer.status}, media_type={_quoted(answer.media_type)})"
        )
    return "Any", "{}"


def _construction(answer: Answer, value: Any) -> str:
    if isinstance(value, dict) and all(name.isidentifier() for name in value) and _is_plain(answer, value):
        arguments = ", ".join(f"{name}={_literal(inner)}" for name, inner in value.items())
        return f"{answer.model}({arguments})"
    return f"{answer.model}.model_validate({_literal(value)})"


def _is_plain(answer: Answer, value: dict[str, Any]) -> bool:
    """Whether each value is of the field's own type, so that a type checker takes it as it stands."""
    from ringback.kit._examples import merged
    from ringback.kit.scaffold._names import function_name

    assert answer.schema is not None
    root = answer.schema.text
    fields = {name: merged(root, node) for name, node in merged(root, root).get("properties", {}).items()}
    kinds = {"string": str, "boolean": bool, "integer": int, "number": float}
    return all(
        name in fields
        and name == function_name(name, context="field").removeprefix("field_")
        and set(fields[name]) <= {"type", "title", "description"}
        and type(inner) is kinds.get(fields[name].get("type", ""))
        for name, inner in value.items()
    )


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return _quoted(value)
    return pprint.pformat(value, width=10_000, sort_dicts=False)


def _quoted(text: str) -> str:
    """A Python literal in double quotes, whatever the text holds."""
    return '"' + repr("'" + text)[2:-1].replace('\\"', '"').replace('"', '\\"').replace("\\'", "'") + '"'
