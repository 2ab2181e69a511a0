"""Templates in every language: those of a package, with the words of their catalogs."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from invoices.languages import LANGUAGES, Language, language_of

__all__ = ["in_languages"]


def in_languages(package: str, **options: Any) -> Mapping[str, Environment]:
    """The templates of a package by the tag of their language; `options` are those of Jinja."""
    return {tag: _environment(package, language_of(tag), options) for tag in LANGUAGES}


def _environment(package: str, language: Language, options: dict[str, Any]) -> Environment:
    environment = Environment(  # noqa: S701 - a mail's text is no HTML; each caller says what it makes
        loader=PackageLoader(package),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
        **options,
    )
    environment.policies["ext.i18n.trimmed"] = True
    # Newstyle: what a message is filled with is escaped, and the message itself is not.
    environment.install_gettext_translations(language.catalog, newstyle=True)  # type: ignore[attr-defined]
    environment.filters.update(
        amount=language.amount,
        clock=language.clock,
        day=language.day,
        figure=language.figure,
        number=language.number,
        price=language.price,
    )
    environment.globals["language"] = language.tag
    return environment
