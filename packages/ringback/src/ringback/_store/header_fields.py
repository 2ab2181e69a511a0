"""A delivery's header fields, as the database keeps them and as a request takes them."""

import json
from functools import lru_cache
from typing import Any

from sqlalchemy import Text, TypeDecorator

__all__ = ["FieldsText", "HeaderFields"]

HeaderFields = tuple[tuple[str, str], ...]
"""Names and values in their order."""


@lru_cache(maxsize=1024)
def _read(text: str) -> HeaderFields:
    """Most deliveries have the same few fields."""
    return tuple((name, value) for name, value in json.loads(text))


class FieldsText(TypeDecorator[HeaderFields]):
    """Header fields out of their JSON text."""

    impl = Text
    cache_ok = True

    def process_result_value(self, value: str | None, _dialect: Any) -> HeaderFields | None:
        """Read what was stored."""
        return None if value is None else _read(value)
