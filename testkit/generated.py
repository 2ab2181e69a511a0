"""Hypothesis makes models, and values of them: what a callback may declare and what may be sent in it."""

import datetime as dt
import enum
import itertools
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, computed_field, create_model, field_serializer

__all__ = ["Kind", "kinds", "models", "scalars", "text"]

_number = itertools.count()


class Colour(enum.Enum):
    RED = "red"
    ONE = 1


@dataclass(frozen=True)
class Kind:
    """A type, and how to make its values."""

    type: Any
    values: st.SearchStrategy[Any]


text = st.text(max_size=12)
zones = st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=-5, minutes=-30))])
moments = st.datetimes(timezones=zones).map(lambda moment: moment.replace(1970 + moment.year % 100, day=1))
SCALARS = [
    Kind(str, text),
    Kind(int, st.integers(-(2**53), 2**53)),
    Kind(float, st.floats(allow_nan=False, allow_infinity=False)),
    Kind(bool, st.booleans()),
    Kind(Decimal, st.decimals(-1000, 1000, places=2)),
    Kind(dt.datetime, moments | st.datetimes()),
    Kind(dt.date, st.dates()),
    Kind(UUID, st.uuids()),
    Kind(Colour, st.sampled_from(Colour)),
    Kind(Literal["a", 1, None], st.sampled_from(["a", 1, None])),
    Kind(Annotated[int, Field(ge=0, lt=10)], st.integers(0, 9)),
    Kind(
        Annotated[str, Field(min_length=1, max_length=3, pattern="^[a-z]+$")], st.sampled_from(["a", "abc"])
    ),
    Kind(Any, st.none() | st.integers(0, 5) | text),
]


def nullable(kind: Kind) -> Kind:
    return Kind(kind.type | None, kind.values | st.none())


def listed(kind: Kind) -> Kind:
    return Kind(list[kind.type], st.lists(kind.values, max_size=3))  # type: ignore[name-defined]


def mapped(kind: Kind) -> Kind:
    return Kind(dict[str, kind.type], st.dictionaries(text, kind.values, max_size=3))  # type: ignore[name-defined]


def either(one: Kind, other: Kind) -> Kind:
    return Kind(one.type | other.type, one.values | other.values)


class Computing(BaseModel):
    """What makes the written form differ from the read one."""

    moment: dt.datetime = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def total(self) -> Decimal:
        return Decimal(3)

    @field_serializer("moment")
    def as_seconds(self, moment: dt.datetime) -> int:
        return int(moment.timestamp())


@st.composite
def models(draw: st.DrawFn, kinds: st.SearchStrategy[Kind]) -> Kind:
    """Classes of up to three fields, some of them written otherwise than they are read."""
    fields: dict[str, Any] = {}
    values: dict[str, st.SearchStrategy[Any]] = {}
    for index in range(draw(st.integers(0, 3))):
        kind, name = draw(kinds), f"f{index}"
        match draw(st.integers(0, 4)):
            case 0:
                fields[name] = (kind.type, Field(alias=f"a-{index}"))
            case 1:
                fields[name] = (
                    kind.type,
                    Field(validation_alias=f"in{index}", serialization_alias=f"out{index}"),
                )
            case 2:
                fields[name] = (kind.type, draw(kind.values))
            case _:
                fields[name] = (kind.type, ...)
        values[name] = kind.values
    base = draw(st.sampled_from([BaseModel, BaseModel, Computing]))
    extra: Any = draw(st.sampled_from(["ignore", "forbid"]))
    made: Any = create_model(f"Model{next(_number)}", __base__=base, **fields)
    made.model_config = ConfigDict(extra=extra)
    made.model_rebuild(force=True)
    return Kind(made, st.fixed_dictionaries(values).map(lambda v: made.model_construct(**v)))


scalars = st.sampled_from(SCALARS)
kinds = st.recursive(
    scalars,
    lambda inner: st.one_of(
        inner.map(nullable),
        inner.map(listed),
        inner.map(mapped),
        st.builds(either, inner, inner),
        models(inner),
    ),
    max_leaves=4,
)
