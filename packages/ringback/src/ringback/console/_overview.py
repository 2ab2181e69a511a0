"""The first page: how deliveries go at a glance, with what needs somebody's attention first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ringback._store.overview import COUNTED_UP_TO, LOOKED_AT, QUEUED_UP_TO
from ringback.console import _charts, _words
from ringback.console._charts import Bars, Lines
from ringback.console._figures import PLACES, WINDOWS, Figures, Span
from ringback.console._rendering import page

if TYPE_CHECKING:
    from ringback.console._console import Console

__all__ = ["routes"]


@dataclass(frozen=True, slots=True)
class Charts:
    """The three pictures, and the moments under their left end, middle and right end."""

    ended: Bars
    success: Lines
    duration: Lines
    moments: Sequence[float]


async def show(request: Request) -> Response:
    """The figures of an hour, a day or a week."""
    console: Console = request.app.state.console
    window = WINDOWS.get(request.query_params.get("window", ""), WINDOWS["hour"])
    figures = await console.statistician.figures(window)
    return page(
        request,
        "overview.html",
        figures=figures,
        charts=_draw(figures),
        windows=WINDOWS.values(),
        destinations=figures.places[:PLACES],
        counted_up_to=COUNTED_UP_TO,
        queued_up_to=QUEUED_UP_TO,
        looked_at=LOOKED_AT,
        now=figures.now,
    )


routes = [Route("/overview", show)]


def _draw(figures: Figures) -> Charts:
    spans = figures.spans
    shares = [span.success for span in spans]
    p95, median = [span.duration(0.95) for span in spans], [span.duration(0.5) for span in spans]
    ended = _charts.bars(
        [
            (_ended_says(span), (("delivered", span.at_once), ("retried", span.later), ("dead", span.dead)))
            for span in spans
        ]
    )
    success = _charts.lines(
        ["success"],
        [shares],
        lambda place: f"{_when(spans[place])}: {_words.per_cent(shares[place])} arrived",
        top=1.0,
        bottom=_floor(shares),
    )
    duration = _charts.lines(
        ["p95", "median"],
        [p95, median],
        lambda place: _duration_says(spans[place], p95[place], median[place]),
    )
    middle = spans[len(spans) // 2].since
    return Charts(ended, success, duration, (spans[0].since, middle, figures.now))


def _floor(shares: Sequence[float | None]) -> float:
    """The lower edge of a chart of shares: so low that the worst one is on it."""
    lowest = min((share for share in shares if share is not None), default=1.0)
    return 0.9 if lowest >= 0.9 else 0.5 if lowest >= 0.5 else 0.0


def _when(span: Span) -> str:
    return f"{_words.clock(span.since)} to {_words.clock(span.since + span.width)} UTC"


def _ended_says(span: Span) -> str:
    parts = (
        f"{round(number):,} {what}"
        for what, number in (
            ("at the first attempt", span.at_once),
            ("by a later one", span.later),
            ("dead", span.dead),
        )
        if number
    )
    return f"{_when(span)}: {', '.join(parts) or 'nothing ended'}"


def _duration_says(span: Span, p95: float | None, median: float | None) -> str:
    if p95 is None or median is None:
        return f"{_when(span)}: no attempt"
    return f"{_when(span)}: 95 % within {_words.span(p95)}, half within {_words.span(median)}"
