"""The arguments of a declared function as the JSON that its document speaks of."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter
from pydantic_core import PydanticSerializationError

from ringback._errors import ContractBreach
from ringback._sources import Parameter

__all__ = ["TypedArguments"]


class TypedArguments:
    """Binds what `send` is given to a function's signature and serialises it by the declared types.

    `fields` are FastAPI's own fields of the function, by place (body, path, query, header, cookie);
    `envelope` is the model in which several bodies travel together, None for a single one.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        fields: Mapping[str, Sequence[Any]],
        documented: Sequence[Parameter],
        envelope: Any,
    ) -> None:
        self._signature = inspect.signature(function)
        self._envelope: tuple[type[BaseModel], TypeAdapter[BaseModel]] | None = None
        if envelope is not None:
            self._envelope = (envelope, TypeAdapter(envelope))
        self._bodies = [(f.name, _adapter(f), f.field_info.is_required()) for f in fields["body"]]
        self._parameters = [
            (f.name, _documented_as(place, f, documented), _adapter(f), f.field_info.is_required())
            for place in ("path", "query", "header", "cookie")
            for f in fields[place]
        ]

    def read(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[bytes | None, dict[Parameter, Any]]:
        """See `Arguments.read`."""
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ContractBreach(f"{error}. Give the arguments that the declared function has.") from None
        given = bound.arguments
        try:
            return self._body(given), self._values(given)
        except PydanticSerializationError as error:
            raise ContractBreach(
                f"The payload cannot be written as JSON: {error}. Nothing was stored."
            ) from None

    def _body(self, given: Mapping[str, Any]) -> bytes | None:
        if self._envelope is not None:
            model, adapter = self._envelope
            values = {name: given[name] for name, _, _ in self._bodies if name in given}
            return adapter.dump_json(model.model_construct(**values), by_alias=True, warnings=False)
        for name, adapter, required in self._bodies:
            if name in given and (required or given[name] is not None):
                return adapter.dump_json(given[name], by_alias=True, warnings=False)
        return None

    def _values(self, given: Mapping[str, Any]) -> dict[Parameter, Any]:
        return {
            key: adapter.dump_python(given[name], mode="json", by_alias=True, warnings=False)
            for name, key, adapter, required in self._parameters
            if name in given and (required or given[name] is not None)
        }


def _adapter(field: Any) -> TypeAdapter[Any]:
    info = field.field_info
    return TypeAdapter(Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation)


def _documented_as(place: str, field: Any, documented: Sequence[Parameter]) -> Parameter:
    for name in (field.alias, field.alias.replace("_", "-"), field.name):
        if (place, name) in documented:
            return place, name
    return place, field.alias
