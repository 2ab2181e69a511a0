"""How the story looks on the terminal, and in a file where there is no terminal."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

__all__ = ["Teller"]

_INDENT = (0, 0, 0, 5)


class Teller:
    """Tells the story line by line, with the time since it began."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._steps = 0
        self._begun = time.monotonic()
        self._last = self._begun

    def title(self, text: str, below: str) -> None:
        """What is about to be seen."""
        self.console.print()
        self.console.print(f"  [bold]{text}[/]")
        self.console.print(f"  [dim]{below}[/]")
        self.console.print()

    def begin(self) -> None:
        """Start the clock."""
        self._begun = self._last = time.monotonic()

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show that something is under way; on a terminal only."""
        with self.console.status(f"[dim]{text} …[/]", spinner="dots", spinner_style="green"):
            yield

    def step(self, what: str, *details: str | Text) -> None:
        """One step is done: its number, what happened, when, and how long it took."""
        self._steps += 1
        now = time.monotonic()
        line = Table.grid(expand=False)
        line.add_column(width=5, justify="right")
        line.add_column(width=44)
        line.add_column(justify="right", width=9)
        line.add_column(justify="right", width=11)
        line.add_row(
            Text("✓  ", style="bold green"),
            Text(what, style="bold"),
            Text(f"{now - self._begun:.2f} s", style="cyan"),
            Text(f"+{(now - self._last) * 1000:.0f} ms", style="dim"),
        )
        self._last = now
        self.console.print(line)
        for detail in details:
            text = detail if isinstance(detail, Text) else Text(detail, style="dim")
            self.console.print(Padding(text, _INDENT))
        self.console.print()

    def ended_well(self, text: str) -> None:
        """The story is over."""
        elapsed = time.monotonic() - self._begun
        self.console.print(
            Panel.fit(f"[bold green]{text}[/]  [dim]{elapsed:.2f} s in all[/]", border_style="green")
        )

    def failed(self, what: str, reason: str, log: str, kept: str) -> None:
        """The story broke off."""
        self.console.print(Text.assemble(("  ✗  ", "bold red"), (what, "bold red")))
        self.console.print(Padding(Text(reason), _INDENT))
        if log:
            self.console.print(Padding(Text("the end of the service's log:", style="dim"), (1, 0, 0, 5)))
            self.console.print(Padding(Text(log, style="dim"), (0, 0, 0, 7)))
        self.console.print(Padding(Text(f"everything is kept in {kept}", style="dim"), (1, 0, 1, 5)))

    def links(self, links: Mapping[str, str]) -> None:
        """Where to look next."""
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim")
        table.add_column()
        for name, link in links.items():
            style = f"link {link}" if link.startswith("http") else ""
            table.add_row(f"  {name}", Text(link, style=style))
        self.console.print()
        self.console.print(table)
        self.console.print()

    def note(self, text: str) -> None:
        """Something on the side."""
        self.console.print(Text(f"  {text}", style="dim"))
