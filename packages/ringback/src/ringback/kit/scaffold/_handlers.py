"""handlers.py: one function for each callback, which the developer goes on with."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from pydantic import BaseModel

from ringback.kit._examples import example, merged
from ringback.kit.scaffold._endpoints import Answer, Endpoint, Parameter
from ringback.kit.scaffold._literals import WIDTH, call, literal
from ringback.kit.scaffold._names import function_name, one_line

__all__ = ["handlers_text"]

_HEAD: Final = '"""What happens when a callback arrives. This file is yours: `ringback scaffold` keeps it."""'
_MARKERS: Final = {"query": "Query", "header": "Header", "cookie": "Cookie"}
_VERBS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
_KINDS: Final = {"string": str, "boolean": bool, "integer": int, "number": float}


def handlers_text(endpoints: Sequence[Endpoint]) -> str:
    """The module's text: formatted, typed, and running as it is."""
    functions = [_function(endpoint) for endpoint in endpoints]
    return "\n".join(
        [
            _HEAD,
            "",
            *_imports(endpoints),
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


def _imports(endpoints: Sequence[Endpoint]) -> list[str]:
    types = [
        line for endpoint in endpoints for line in (*_arguments(endpoint), f": {_returned(endpoint)[0]}")
    ]
    words = {word for line in types for word in re.findall(r"\w+", line.partition(": ")[2])}

    def used(*names: str) -> list[str]:
        return [name for name in names if name in words]

    times = used("date", "datetime")
    fastapi = ["APIRouter", *used("Body", "Cookie"), "Depends", *used("Form", "Header", "Query", "Response")]
    models = [e.body.model for e in endpoints if e.body] + [e.answer.model for e in endpoints]
    return [
        "import logging",
        *([f"from datetime import {', '.join(times)}"] if times else []),
        f"from typing import {', '.join(['Annotated', *used('Any', 'Literal')])}",
        *(["from uuid import UUID"] if "UUID" in words else []),
        "",
        f"from fastapi import {', '.join(fastapi)}",
        "from ringback.receiver import Message",
        "",
        *_from_models({name for name in models if name not in ("", "Any")}),
        "from receiver.verification import inbox, receiver",
    ]


def _from_models(models: Iterable[str]) -> list[str]:
    names = sorted(models)
    line = f"from receiver.models import {', '.join(names)}"
    if not names:
        return []
    if len(line) <= WIDTH:
        return [line]
    return ["from receiver.models import (", *(f"    {name}," for name in names), ")"]


def _function(endpoint: Endpoint) -> str:
    returned, statement = _returned(endpoint)
    operation = endpoint.declared.place.operation
    shown = _shown(endpoint)
    words = one_line(operation.get("summary") or operation.get("description") or "").rstrip(".")
    return "\n".join(
        [
            _decorator(endpoint),
            f"async def {endpoint.function}(",
            *(f"    {line}," for line in _arguments(endpoint)),
            f") -> {returned}:",
            f'    """{words or "The callback " + one_line(endpoint.declared.name)}."""',
            "    async with inbox.once(message.id) as owed:",
            "        if owed:  # a delivery that comes again is answered again, and acted on once",
            f'            logger.info("{endpoint.function} %s: %s", message.id, {shown})  # act here',
            f"    return {statement}",
        ]
    )


def _decorator(endpoint: Endpoint) -> str:
    verb = endpoint.method.lower()
    arguments = [literal(endpoint.base + endpoint.route)]
    if verb not in _VERBS:
        verb = "api_route"
        arguments.append(f"methods=[{literal(endpoint.method)}]")
    if endpoint.answer.status != 200:
        arguments.append(f"status_code={endpoint.answer.status}")
    if endpoint.answer.model not in ("", "Any"):
        arguments.append("response_model_exclude_unset=True")
    line = f"@router.{verb}({', '.join(arguments)})"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"@router.{verb}(", *(f"    {argument}," for argument in arguments), ")"])


def _arguments(endpoint: Endpoint) -> list[str]:
    needed = [_argument(p) for p in endpoint.parameters if p.required]
    optional = [f"{_argument(p)} = None" for p in endpoint.parameters if not p.required]
    body = endpoint.body
    if body is not None and body.kind != "raw":
        kind = {"form": f"Annotated[{body.model}, Form()]"}.get(body.kind, body.model)
        kind = "Annotated[Any, Body()]" if kind == "Any" else kind
        needed += [f"event: {kind}"] if body.required else []
        optional = [*([] if body.required else [f"event: {kind} | None = None"]), *optional]
    return [*needed, "message: Verified", *optional]


def _argument(parameter: Parameter) -> str:
    kind = parameter.annotation
    if not parameter.required and not kind.endswith("| None"):
        kind = f"{kind} | None"
    marker = _MARKERS.get(parameter.place)
    if marker is None or (marker == "Query" and parameter.python == parameter.name and "list[" not in kind):
        return f"{parameter.python}: {kind}"
    alias = "" if parameter.python == parameter.name else f"alias={literal(parameter.name)}"
    return f"{parameter.python}: Annotated[{kind}, {marker}({alias})]"


def _shown(endpoint: Endpoint) -> str:
    if endpoint.body is None:
        return next((p.python for p in endpoint.parameters), "message.timestamp")
    return "message.body" if endpoint.body.kind == "raw" else "event"


def _returned(endpoint: Endpoint) -> tuple[str, str]:
    """The type that a handler returns, and the expression that makes it."""
    answer = endpoint.answer
    if answer.schema is None:
        return "Response", f"Response(status_code={answer.status})"
    if answer.schema.anything:
        return "Any", "{}"
    value = example(answer.schema)
    if answer.model == "Any":
        named = {"content": str(value), "status_code": answer.status, "media_type": answer.media_type}
        return "Response", call("Response", indent=4, before="return ", **named)
    if isinstance(value, dict) and value and _is_plain(answer, value):
        return answer.model, call(answer.model, indent=4, before="return ", **value)
    return answer.model, call(f"{answer.model}.model_validate", indent=4, before="return ", value=value)


def _is_plain(answer: Answer, value: dict[str, Any]) -> bool:
    """Whether each value is of the field's own type, so that a type checker takes it as it stands."""
    assert answer.schema is not None
    root = answer.schema.text
    fields = {name: merged(root, node) for name, node in merged(root, root).get("properties", {}).items()}
    return all(
        name in fields
        and name == function_name(name, context="a")  # the generator keeps such names
        and name.isidentifier()
        and name not in ("self", "cls")
        and not hasattr(BaseModel, name)
        and set(fields[name]) <= {"type", "title", "description", "examples"}
        and type(inner) is _KINDS.get(str(fields[name].get("type")))
        for name, inner in value.items()
    )
