"""Times and durations in words, and durations read from words."""

import re
from datetime import UTC, datetime

import typer

__all__ = ["iso_time", "local_time", "read_duration", "span"]

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(?:[0-9]+(?:w|d|h|min|m|s))+")
_PART = re.compile(r"([0-9]+)(w|d|h|min|m|s)")
_LONGEST = 100 * 366 * 86_400


def local_time(seconds: float) -> str:
    """A moment (seconds since 1970) on this machine's clock face, with its zone."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def iso_time(seconds: float | None) -> str | None:
    """The same for programs: RFC 3339, UTC, milliseconds."""
    if seconds is None:
        return None
    moment = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")


def span(seconds: float) -> str:
    """A duration as people say it: its two largest units."""
    if seconds < 0:
        return f"-{span(-seconds)}"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    rest, parts = round(seconds), []
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        parts.append((count, unit))
    while not parts[0][0]:
        parts.pop(0)
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count)


def read_duration(text: str) -> float:
    """Seconds from ``30d``, ``12h``, ``15min``, ``90s``, ``1d12h``; a usage error for anything else."""
    compact = text.replace(" ", "").lower()
    if not _DURATION.fullmatch(compact):
        raise typer.BadParameter(f"{text!r} is not a duration. Write it as 30d, 12h, 15min, 90s or 1d12h.")
    seconds = float(sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(compact)))
    if seconds > _LONGEST:
        raise typer.BadParameter(f"{text!r} is more than a hundred years. Give a shorter duration.")
    return seconds
