"""Charts as shapes: where each bar and line lies in a picture of 1000 by 100, from its lower left corner."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["Bar", "Bars", "Line", "Lines", "bars", "lines", "nice"]

WIDTH: Final = 1000.0
HEIGHT: Final = 100.0
_GAP: Final = 0.28


@dataclass(frozen=True, slots=True)
class Bar:
    """One stack: its parts are a word that is also their colour, the upper edge, and the height."""

    x: float
    width: float
    parts: Sequence[tuple[str, float, float]]
    says: str


@dataclass(frozen=True, slots=True)
class Bars:
    """Stacks side by side; `top` is the value at the upper edge."""

    top: float
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is broken where nothing was measured, and the `area` below it.

    `points` are those that stand alone.
    """

    word: str
    path: str
    area: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines over one scale from `bottom` to `top`, and what each place says when it is pointed at."""

    top: float
    bottom: float
    lines: Sequence[Line]
    places: Sequence[tuple[float, float, str]]


def bars(stacks: Sequence[tuple[str, Sequence[tuple[str, float]]]]) -> Bars:
    """Stacks from what each says, and its parts from below: a word and a number."""
    top = nice(max((sum(number for _, number in parts) for _, parts in stacks), default=0.0))
    step = WIDTH / max(len(stacks), 1)
    drawn = []
    for place, (says, parts) in enumerate(stacks):
        edge, shapes = HEIGHT, list[tuple[str, float, float]]()
        for word, number in parts:
            height = HEIGHT * number / top
            if number > 0:
                height = max(height, 1.0)  # one dead among thousands must be seen
                edge -= height
                shapes.append((word, round(max(edge, 0.0), 2), round(height, 2)))
        x = (place + _GAP / 2) * step
        drawn.append(Bar(round(x, 2), round(step * (1 - _GAP), 2), shapes, says))
    return Bars(top, drawn)


def lines(
    words: Sequence[str],
    values: Sequence[Sequence[float | None]],
    says: Callable[[int], str],
    *,
    top: float | None = None,
    bottom: float = 0.0,
) -> Lines:
    """Lines from their values at the same places; `says` tells a place in words."""
    known = [value for line in values for value in line if value is not None]
    top = nice(max(known, default=0.0)) if top is None else top
    count = max((len(line) for line in values), default=0)
    step = WIDTH / max(count, 1)

    def at(place: int, value: float) -> tuple[float, float]:
        height = HEIGHT * (min(value, top) - bottom) / ((top - bottom) or 1.0)
        return round((place + 0.5) * step, 2), round(HEIGHT - max(height, 0.0), 2)

    drawn = [_line(word, line, at) for word, line in zip(words, values, strict=True)]
    places = [(round(place * step, 2), round(step, 2), says(place)) for place in range(count)]
    return Lines(top, bottom, drawn, places)


def nice(value: float) -> float:
    """The next round number that is no less: its first digit is all that it has, or a half beside it."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(
        round(step * power, 12) for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= value - 1e-12
    )


def _line(word: str, values: Sequence[float | None], at: Callable[[int, float], tuple[float, float]]) -> Line:
    pieces: list[list[tuple[float, float]]] = [[]]
    for place, value in enumerate(values):
        if value is not None:
            pieces[-1].append(at(place, value))
        elif pieces[-1]:
            pieces.append([])
    longer = [piece for piece in pieces if len(piece) > 1]
    joined = [" L".join(f"{x} {y}" for x, y in piece) for piece in longer]
    path = " ".join(f"M{text}" for text in joined)
    area = " ".join(
        f"M{piece[0][0]} {HEIGHT:g} L{text} L{piece[-1][0]} {HEIGHT:g}Z"
        for piece, text in zip(longer, joined, strict=True)
    )
    return Line(word, path, area, [piece[0] for piece in pieces if len(piece) == 1])
