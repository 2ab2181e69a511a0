"""The overview over both databases: its figures, its charts, and what it costs."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, event, text

from ringback._store import overview
from ringback._types import State
from ringback.console import _charts
from ringback.console._desk import Desk
from ringback.console._figures import WINDOWS, Statistician, quantile

Office = Any
Words = Callable[[httpx.Response], str]


async def test_it_is_the_first_page(desk: Office) -> None:
    page = await desk.operator.get("/")
    assert page.headers["location"] == "/console/overview"


async def test_the_figures_are_those_of_the_window(desk: Office, words: Words) -> None:
    await desk.ended(State.DEAD, "long ago")
    desk.clock.advance(2 * 3600)
    for number in range(7):
        id_ = await desk.owe(f"k{number}")
        await desk.attempt(id_, State.DELIVERED, duration=0.1 * (number + 1))
    await desk.attempt(await desk.owe("dead"), State.DEAD, duration=3.0)
    desk.clock.advance(120)
    await desk.owe("due")
    desk.clock.advance(90)
    text = words(await desk.operator.get("/overview"))
    assert "Ended 8 0.1 a minute" in text
    assert "Arrived 87.5 % 1 dead" in text
    assert "Answered within 3 s 95 % of them; half within 400 ms" in text
    assert "Due now 1 the oldest for 1 min 30 s" in text
    assert "Ended 9" in words(await desk.operator.get("/overview?window=day"))
    assert "Ended 8" in words(await desk.operator.get("/overview?window=nonsense"))


async def test_destinations_tell_what_waits_for_them(desk: Office, words: Words) -> None:
    await desk.ended(State.DELIVERED, "a", destination="https://quick.example:443 acme", owner="acme")
    for number in range(3):
        await desk.owe(f"b{number}", destination="https://slow.example:8443 ")
    await desk.owe("c", destination="https://slow.example:8443 ", delay=600.0)
    desk.clock.advance(61)
    text = words(await desk.operator.get("/overview"))
    assert "slow.example:8443 Due now 3 for 1 min 1 s Later 1 Ended 0" in text
    assert "quick.example owner acme Due now none Later none Ended 1 Arrived 100 %" in text
    assert text.index("slow.example") < text.index("quick.example")


async def test_one_dead_among_many_is_on_the_chart_and_in_words(desk: Office) -> None:
    for state in (State.DELIVERED, State.DEAD):
        await desk.ended(state, state.value)
    retried = await desk.owe("again")
    await desk.attempt(retried, State.PENDING, delay=0.0)
    await desk.attempt(retried, State.DELIVERED)
    page = (await desk.operator.get("/overview")).text
    assert re.search(r"UTC: 1 at the first attempt, 1 by a later one, 1 dead</title>", page)
    for word in ("delivered", "retried", "dead"):
        assert re.search(
            rf'<rect class="{word}" x="[\d.]+" y="[\d.]+" width="[\d.]+" height="[\d.]+"/>', page
        )


async def test_endpoints_in_trouble_are_told_first(desk: Office, words: Words) -> None:
    await desk.attempt(await desk.owe(), State.PENDING, counts=-1)
    id_ = await desk.owe(owner="acme")
    await desk.operator.submit(f"/endpoints/{id_}/disable")
    assert "1 endpoint is disabled, 1 endpoint fails. See which" in words(
        await desk.operator.get("/overview")
    )


async def test_nothing_yet_is_no_error(desk: Office, words: Words) -> None:
    text = words(await desk.operator.get("/overview?window=week"))
    assert "Arrived – nothing has ended" in text
    assert "Nothing has ended in this time, and nothing waits." in text


async def test_spans_that_are_over_are_read_once(desk: Office) -> None:
    await desk.ended(State.DELIVERED)
    desk.clock.advance(3600)
    statistician, ran = Statistician(Desk(desk.ringback)), list[str]()
    engine = desk.ringback.engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *given: ran.append(given[2]))
    await statistician.figures(WINDOWS["day"])
    assert len(ran) > WINDOWS["day"].count
    ran.clear()
    await statistician.figures(WINDOWS["day"])
    assert ran == [], "who looks at the same time shares the figures"
    statistician._last.clear()
    figures = await statistician.figures(WINDOWS["day"])
    assert figures.ended == 1
    assert len(ran) < 12


@pytest.mark.parametrize("statement", ["ended", "backlog", "pulse"])
async def test_every_statement_is_answered_by_an_index(desk: Office, statement: str) -> None:
    plans: list[str] = []

    def explain(connection: Connection) -> None:
        desk.ringback._store.settle(connection)
        dialect, prefix = connection.dialect.name, "EXPLAIN "
        if dialect == "sqlite":
            prefix = "EXPLAIN QUERY PLAN "
        raw = {"ended": overview._SAMPLE, "backlog": overview._BACKLOG, "pulse": overview._PULSE}[statement]
        values = {"p_since": 1.0, "p_until": 2.0, "p_now": 3.0}
        sql = str(raw.params(**values).compile(connection, compile_kwargs={"literal_binds": True}))
        plans.extend(str(row) for row in connection.execute(text(prefix + sql.replace(":", r"\:"))))

    await desk.do(explain)
    whole = " ".join(plans)
    assert "Seq Scan on ringback_deliveries" not in whole
    assert not re.search(r"SCAN ringback_deliveries(?! USING)", whole), whole


# --- the shapes --------------------------------------------------------------------------------------------


@given(st.floats(1e-6, 1e9))
def test_the_scale_ends_at_a_round_number_that_is_no_less(value: float) -> None:
    top = _charts.nice(value)
    assert value * 0.999999 <= top <= 2 * value


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 3)), min_size=1))
def test_no_bar_leaves_the_picture(numbers: list[tuple[int, int, int]]) -> None:
    stacks = [("", tuple(zip("abc", parts, strict=True))) for parts in numbers]
    chart = _charts.bars(stacks)
    for bar, parts in zip(chart.bars, numbers, strict=True):
        assert 0 <= bar.x < bar.x + bar.width <= 1000
        assert len(bar.parts) == sum(1 for part in parts if part), "whatever is there is seen"
        assert all(0 <= y <= 100 and height >= 1 for _, y, height in bar.parts)


def test_a_line_is_broken_where_nothing_was_measured() -> None:
    [line] = _charts.lines(["p95"], [[1.0, 2.0, None, 4.0]], str).lines
    assert line.path == "M125.0 75.0 L375.0 50.0"
    assert line.area == "M125.0 100 L125.0 75.0 L375.0 50.0 L375.0 100Z"
    assert line.points == [(875.0, 0.0)]


def test_quantiles_heed_the_weights() -> None:
    assert quantile([], 0.95) is None
    assert quantile([(1.0, 1.0)], 0.95) == 1.0
    assert quantile([(1.0, 94.0), (9.0, 6.0)], 0.95) == 9.0
    assert quantile([(1.0, 96.0), (9.0, 4.0)], 0.95) == 1.0
