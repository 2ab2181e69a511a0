"""The table of keys and URLs in the page about contracts says what is really called."""

import re
from pathlib import Path

import pytest

from ringback._errors import InvalidExpression, UnusableValue
from ringback._expressions import parse_template
from ringback._types import Exchange

PAGE = Path(__file__).parents[4] / "docs" / "explanation" / "contract.md"
ROW = re.compile(r"^\| `([^|]*)` \| `([^|]*)` \| `([^|]*)` \| (`[^|]*`|refused) \|$", re.MULTILINE)
ROWS = ROW.findall(PAGE.read_text())


@pytest.mark.parametrize(("key", "callback_url", "id_", "called"), ROWS)
def test_each_key_calls_what_the_page_says(key: str, callback_url: str, id_: str, called: str) -> None:
    exchange = Exchange(query={"callback_url": callback_url}, body={"id": id_})
    try:
        url = f"`{parse_template(key, parameters=[('query', 'callback_url')]).evaluate(exchange)}`"
    except (InvalidExpression, UnusableValue):
        url = "refused"
    assert url == called


def test_the_table_is_found() -> None:
    assert len(ROWS) == 10
