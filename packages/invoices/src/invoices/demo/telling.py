"""How the story looks on the terminal, and in a file where there is no terminal."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.text import Text

__all__ = ["Detail", "Teller", "answered", "json_text", "link"]

Detail = str | Text

_WIDTH: Final = 52
_highlight_json = JSONHighlighter()


def json_text(text: str) -> Text:
    """JSON in colours."""
    return _highlight_json(Text(text))


def answered(status_code: int, text: Detail) -> Text:
    """An answer: its status, and what it says."""
    return Text.assemble((f"{status_code} ", "bold green"), text)


def link(url: str, text: str = "") -> Text:
    """A link that terminals let you click."""
    return Text(text or url, style=f"link {url}")


class Teller:
    """Tells the story line by line, each step with the time since the story began and since the last one."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._begun = self._last = time.monotonic()

    def title(self, text: str, below: str) -> None:
        """What is about to be seen."""
        self.line()
        self.line(Text.assemble(("☎  ", "green"), (text, "bold")))
        self.line(Text(f"   {below}", style="dim"))
        self.line()

    def line(self, text: Detail = "") -> None:
        """One line, indented as everything is."""
        self._console.print(Text.assemble("  ", text) if text else "")

    def note(self, text: str) -> None:
        """Something on the side."""
        self.line(Text(text, style="dim"))

    def actor(self, name: str, url: str, remark: str) -> None:
        """Who takes part."""
        self.line(Text.assemble(("● ", "green"), f"{name:<15}", link(url), (f"   {remark}", "dim")))

    def begin(self) -> None:
        """Start the clock."""
        self.line()
        self._begun = self._last = time.monotonic()

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show that something is under way; on a terminal only."""
        with self._console.status(f"[dim]{text} …[/]", spinner="dots", spinner_style="green"):
            yield

    def step(self, what: str, *details: Detail) -> None:
        """One step is done."""
        now = time.monotonic()
        elapsed, since = now - self._begun, now - self._last
        self._last = now
        self.line(
            Text.assemble(
                ("✓ ", "bold green"),
                (f"{what:<{_WIDTH}}", "bold"),
                (f"{elapsed:6.2f} s", "cyan"),
                (f"{since * 1000:+8.0f} ms", "dim"),
            )
        )
        for detail in details:
            self.line(Text.assemble("  ", detail if isinstance(detail, Text) else (detail, "dim")))
        self.line()

    def ended_well(self, text: str) -> None:
        """The story is over."""
        elapsed = f"{time.monotonic() - self._begun:6.2f} s"
        self.line(Text.assemble((f"★ {text:<{_WIDTH}}", "bold green"), (elapsed, "cyan")))

    def failed(self, what: str, reason: str, log: str, kept: str) -> None:
        """The story broke off."""
        self.line(Text.assemble(("✗ ", "bold red"), (what, "bold red")))
        for text in reason.splitlines():
            self.line(f"  {text}")
        if log:
            self.line()
            self.note("  the end of the service's log:")
            for text in log.splitlines():
                self.note(f"    {text}")
        self.line()
        self.note(f"  Everything is kept in {kept}")

    def links(self, links: Mapping[str, str]) -> None:
        """Where to look next."""
        self.line()
        for name, target in links.items():
            shown = link(target) if target.startswith("http") else Text(target)
            self.line(Text.assemble((f"  {name:<15}", "dim"), shown))
        self.line()
