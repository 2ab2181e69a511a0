"""The corpus of hostile URLs, as rows that a test can take."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Row", "read_corpus"]

_FILE = Path(__file__).with_name("hostile_urls.tsv")
_REPEATED = re.compile(r"\{(.)\*([0-9]+)\}")


@dataclass(frozen=True, slots=True)
class Row:
    """A URL, its verdict by the default policy, and what its name answers, one tuple for each question."""

    number: int
    group: str
    allowed: bool
    url: str
    answers: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        """What stands in a test's id: the line, and the URL without what would break the id."""
        return f"{self.number}-{ascii(self.url)[1:-1][:50]}"


def read_corpus() -> list[Row]:
    """Every row, in the file's order."""
    rows, group = [], ""
    for number, line in enumerate(_FILE.read_text(encoding="ascii").splitlines(), 1):
        if line.startswith("#"):
            group = line.removeprefix("# ")
        elif line:
            verdict, url, *answers = line.split("\t")
            assert verdict in ("allow", "block"), f"{_FILE.name}:{number} has no verdict"
            written = _REPEATED.sub(lambda match: match[1] * int(match[2]), url)
            rounds = tuple(tuple(part.split()) for part in "".join(answers).split("|") if part.strip())
            rows.append(Row(number, group, verdict == "allow", json.loads(f'"{written}"'), rounds))
    return rows
