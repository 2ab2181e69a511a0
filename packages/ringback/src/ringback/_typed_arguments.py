"""The arguments of a declared function as the JSON that its document speaks of."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from fastapi.params import Form
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticSerializationError, to_json

from ringback._errors import ContractBreach
from ringback._sources import Parameter

__all__ = ["TypedArguments", "answer_models"]

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class _Argument:
    """One parameter of the function: its name there, its name in the document, and how it is written."""

    name: str
    documented: Parameter
    adapter: TypeAdapter[Any]
    default: Callable[[], Any]
    spread: bool
    """Whether it is a model whose fields are parameters, or form fields, of their own."""

    def value(self, given: Mapping[str, Any]) -> Any:
        """What was given, or else the declared default; `_ABSENT` where that leaves nothing to send."""
        value = given[self.name] if self.name in given else self.default()
        return _ABSENT if value is None and self.default() is None else value

    def as_json(self, value: Any) -> Any:
        """The value as the declared type writes it."""
        return self.adapter.dump_python(value, mode="json", by_alias=True, warnings=False)


class TypedArguments:
    """Binds what `send` is given to a function's signature and serialises it by the declared types.

    `route` is a FastAPI route, `documented` are the parameters that the document has for it.
    """

    def __init__(self, route: Any, documented: Sequence[Parameter]) -> None:
        dependant = route.dependant
        signature = inspect.signature(route.endpoint)
        form = any(isinstance(field.field_info, Form) for field in dependant.body_params)
        self._embed = bool(route._embed_body_fields)
        self._documented = documented
        self._bodies = [_argument("body", field, documented, form) for field in dependant.body_params]
        self._parameters = [
            _argument(place, field, documented, True)
            for place in ("path", "query", "header", "cookie")
            for field in getattr(dependant, f"{place}_params")
        ]
        self._path_defaults = _path_defaults(signature, dependant.path_params)
        known = {argument.name for argument in [*self._bodies, *self._parameters]}
        self._signature = signature.replace(
            parameters=[p for p in signature.parameters.values() if p.name in known]
        )

    def read(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[bytes | None, dict[Parameter, Any]]:
        """See `Arguments.read`."""
        try:
            given = {**self._path_defaults, **self._signature.bind(*args, **kwargs).arguments}
        except TypeError as error:
            raise ContractBreach(f"{error}. Give the arguments that the declared function has.") from None
        try:
            return self._body(given), self._values(given)
        except (PydanticSerializationError, AttributeError, TypeError, ValueError) as error:
            # The last three from the app's own serializers and computed fields.
            raise ContractBreach(
                f"The payload cannot be written as JSON: {error}. Nothing was stored."
            ) from error

    def _body(self, given: Mapping[str, Any]) -> bytes | None:
        if not self._embed:
            for argument in self._bodies:
                value = argument.value(given)
                if value is not _ABSENT:
                    return argument.adapter.dump_json(value, by_alias=True, warnings=False)
            return None
        together: dict[str, Any] = {}
        for argument in self._bodies:
            value = argument.value(given)
            if value is not _ABSENT:
                together |= (
                    argument.as_json(value)
                    if argument.spread
                    else {argument.documented[1]: argument.as_json(value)}
                )
        # NaN becomes a text that is no JSON, so that the check refuses it.
        return to_json(together, inf_nan_mode="constants") if together else None

    def _values(self, given: Mapping[str, Any]) -> dict[Parameter, Any]:
        values: dict[Parameter, Any] = {}
        for argument in self._parameters:
            value = argument.value(given)
            if value is _ABSENT:
                continue
            if not argument.spread:
                values[argument.documented] = argument.as_json(value)
                continue
            place = argument.documented[0]
            values |= {
                _documented_as(place, (name,), self._documented): item
                for name, item in argument.as_json(value).items()
                if item is not None
            }
        return values


def answer_models(route: Any) -> Mapping[str, Any]:
    """The model of each answer that a FastAPI route documents, by status."""
    models: dict[str, Any] = {
        str(code).upper(): response["model"]
        for code, response in route.responses.items()
        if response.get("model")
    }
    if route.response_model:
        models[str(route.status_code or 200)] = route.response_model
    return {"default" if code == "DEFAULT" else code: model for code, model in models.items()}


def _argument(place: str, field: Any, documented: Sequence[Parameter], may_spread: bool) -> _Argument:
    info = field.field_info
    names = (field.alias, field.name) if place != "body" else (info.serialization_alias or field.alias,)
    return _Argument(
        name=field.name,
        documented=_documented_as(place, names, documented),
        adapter=_adapter(info),
        default=(lambda: _ABSENT) if info.is_required() else field.get_default,
        spread=may_spread and _is_model(info.annotation),
    )


def _path_defaults(signature: inspect.Signature, fields: Sequence[Any]) -> dict[str, Any]:
    """FastAPI forgets the default of a path parameter, since a request always has one. A sender may not."""
    defaults = {field.name: signature.parameters[field.name].default for field in fields}
    return {
        name: default
        for name, default in defaults.items()
        if default is not inspect.Parameter.empty and not isinstance(default, FieldInfo)
    }


def _adapter(info: Any) -> TypeAdapter[Any]:
    declared: Any = Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
    return TypeAdapter(declared)


def _is_model(annotation: Any) -> bool:
    choices = [choice for choice in get_args(annotation) if choice is not type(None)] or [annotation]
    return len(choices) == 1 and isinstance(choices[0], type) and issubclass(choices[0], BaseModel)


def _documented_as(place: str, names: Sequence[str], documented: Sequence[Parameter]) -> Parameter:
    for name in names:
        for spelling in (name, name.replace("_", "-")):
            if (place, spelling) in documented:
                return place, spelling
    return place, names[0]
