"""Brings the catalogs of the service's languages up to date: ``python -m scripts.catalogs``.

Messages that are new in the templates and in the code are added without a translation, those that are gone
are taken out, and everything else stays as it is.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

SERVICE: Final = Path(__file__).resolve().parent.parent / "packages/invoices/src/invoices"

_TEMPLATE: Final = "jinja2.ext:babel_extract"

# Where customers are written to. The sandbox's checkout stands in for a provider's own page, and is English.
_METHODS: Final = [
    ("pages/templates/checkout*.html", "ignore"),
    ("mail/templates/**", _TEMPLATE),
    ("pages/templates/**", _TEMPLATE),
    ("mail/**.py", "python"),
    ("pdf/**.py", "python"),
]
_HEAD: Final = """\
# What customers read, in this language. `python -m scripts.catalogs` keeps it complete.
msgid ""
msgstr ""
"Language: {tag}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""

_SYNTAX: Final = {"trimmed": "true", "trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}


def messages() -> Iterator[tuple[str, str]]:
    """Each message, and the file that it stands in."""
    options = {pattern: _SYNTAX for pattern, method in _METHODS if method == _TEMPLATE}
    for name, _line, message, _comments, _context in extract_from_dir(SERVICE, _METHODS, options):
        assert isinstance(message, str), "nothing is counted yet, so no message has a plural"
        yield message, name


def updated(path: Path) -> Catalog:
    """The catalog in this file, brought up to date."""
    with path.open("rb") as file:
        known = read_po(file)
    catalog = Catalog(locale=path.stem.replace("-", "_"), fuzzy=False, charset="utf-8")
    for message, place in messages():
        found = known.get(message)
        catalog.add(message, found.string if found else "", locations=[(place, 0)])
    return catalog


def write(catalog: Catalog, path: Path) -> None:
    """Write a catalog as it is kept: sorted by its messages, without dates and line numbers."""
    with path.open("wb") as file:
        file.write(_HEAD.format(tag=path.stem).encode())
        write_po(file, catalog, width=0, sort_output=True, omit_header=True, include_lineno=False)


def main() -> None:
    """Bring every catalog up to date."""
    for path in sorted((SERVICE / "languages").glob("*.po")):
        catalog = updated(path)
        write(catalog, path)
        missing = sum(1 for message in catalog if message.id and not message.string)
        print(f"{path.name}: {len(catalog)} messages, {missing} without a translation")


if __name__ == "__main__":
    main()
