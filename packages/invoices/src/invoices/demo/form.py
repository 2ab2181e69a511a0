"""The forms of a page, found as a browser finds them, so that the demo pays as a customer does."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

__all__ = ["Form", "find_form"]


@dataclass(slots=True)
class Form:
    """A form: where it goes and what it sends. `buttons` has the values of each submit button's name."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, list[str]] = field(default_factory=dict)

    def pressed(self, name: str, value: str) -> dict[str, str]:
        """What is sent when this button is pressed."""
        if value not in self.buttons.get(name, []):
            raise LookupError(f"the form has no button {name}={value}")
        return {**self.fields, name: value}


class _Forms(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.forms: list[Form] = []
        self.is_inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.is_inside = True
            action = urljoin(self.url, named.get("action", ""))
            self.forms.append(Form(action, named.get("method", "get").lower()))
        elif self.is_inside and tag in ("input", "button") and "name" in named:
            self._add(named, named.get("type", "submit" if tag == "button" else "text"))

    def handle_endtag(self, tag: str) -> None:
        self.is_inside = self.is_inside and tag != "form"

    def _add(self, named: dict[str, str], kind: str) -> None:
        name, value = named["name"], named.get("value", "")
        if kind == "submit":
            self.forms[-1].buttons.setdefault(name, []).append(value)
        else:
            self.forms[-1].fields[name] = value


def find_form(html: str, url: str) -> Form:
    """The first form of a page that sends something; raises `LookupError` where there is none."""
    reader = _Forms(url)
    reader.feed(html)
    for form in reader.forms:
        if form.method == "post":
            return form
    raise LookupError(f"the page {url} has no form")
