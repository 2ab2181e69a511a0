"""One callback operation under judgement, and what the rules ask of it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ringback._expressions import Template
from ringback._openapi.places import Place
from ringback._openapi.references import follow
from ringback._sources import Parameter, Source

__all__ = ["Case", "callback_parameters_of", "schema_read_by"]


@dataclass(frozen=True, slots=True)
class Case:
    """The operation, its parsed key, the main operation's parameters, the sources that are trusted."""

    document: Mapping[str, Any]
    place: Place
    template: Template
    parameters: list[Parameter]
    allowed: Collection[str]


def callback_parameters_of(case: Case) -> Iterator[Mapping[str, Any]]:
    for holder in (case.place.item, case.place.operation):
        for node in holder.get("parameters") or []:
            yield follow(case.document, node)


def schema_read_by(case: Case, source: Source) -> Any:
    """The JSON schema of the main request, or of its first 2xx response; None where there is none."""
    main = case.place.main
    if source.message == "request":
        holder = follow(case.document, main.get("requestBody")) or {}
    else:
        codes = sorted(str(code) for code in main.get("responses") or {} if str(code).startswith("2"))
        holder = follow(case.document, main["responses"][codes[0]]) if codes else {}
    for media_type, media in (holder.get("content") or {}).items():
        if "json" in media_type:
            return follow(case.document, media).get("schema")
    return None
