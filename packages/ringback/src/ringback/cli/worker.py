"""``ringback worker``: deliver for an app, in a process of its own, until it is told to stop."""

import asyncio
import gc
import importlib.util
import logging
import signal
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ringback._errors import RingbackError
from ringback.cli._database import Open, Place, shown
from ringback.cli._output import count
from ringback.cli._times import span

if TYPE_CHECKING:
    from ringback._ringback import Ringback

__all__ = ["spare_the_collector", "worker"]

logger = logging.getLogger("ringback.worker")

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def worker(
    app: Annotated[str, typer.Argument(metavar="MODULE:APP", help="The app, as shop.main:app.")],
    factory: Annotated[bool, typer.Option("--factory", help="It is a function that makes the app.")] = False,
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Attempts side by side in all; else as the app says."),
    ] = None,
    grace: Annotated[
        float,
        typer.Option(
            min=0, metavar="S", help="Seconds that attempts may take to end after SIGTERM or Ctrl-C."
        ),
    ] = 25.0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Log no line for each attempt.")] = False,
) -> None:
    """Deliver what an app owes, in this process. Run as many as you like, on any machines.

    It stops on SIGTERM or Ctrl-C: attempts that run may end, and nothing new is begun.

    A second signal ends it at once, and other workers take over what it held.
    """
    _log(quiet=quiet)
    opened = Place(app=app, factory=factory).open(create=True)
    spare_the_collector()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_deliver(opened, concurrency, grace))


def spare_the_collector() -> None:
    """Have Python's cyclic garbage collector look at less, and more seldom; for the whole process.

    What the app has loaded stays until the end, and attempts leave no cycles behind. With many connections
    open the collector took up to a fifth of a worker's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


async def _deliver(opened: Open, concurrency: int | None, grace: float) -> None:
    ringback = opened.ringback
    assert ringback is not None, "an app was named"
    stop = asyncio.Event()
    _on_signals(asyncio.get_running_loop(), stop.set)
    try:
        await opened.read(lambda _connection: None)  # a database that is not there is told in a sentence
        async with ringback.running(concurrency=concurrency, grace=grace):
            logger.info(_start_line(ringback))
            ends = [asyncio.create_task(stop.wait()), asyncio.create_task(ringback.ended())]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                end.cancel()
            if not stop.is_set():
                raise RingbackError(
                    "The worker stopped by itself; the log above says why. Start it again when that is "
                    "mended: what it held is taken over when its leases run out."
                )
            logger.info(
                "stopping: attempts that run may end within %s; a second signal does not wait", span(grace)
            )
        logger.info("stopped")
    finally:
        await ringback.engine.dispose()


def _start_line(ringback: "Ringback") -> str:
    contracts, channels = len(list(ringback.contracts())), len(ringback.channels)
    return (
        f"delivering from {shown(ringback.engine.url)}: {count(contracts, 'callback contract')}, "
        f"{count(channels, 'channel')} of the app's own"
    )


def _on_signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Call `stop` on the first signal; from then on a signal does what it does by itself."""

    def once() -> None:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
        stop()

    def once_on_windows(_number: int, _frame: Any) -> None:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        loop.call_soon_threadsafe(stop)

    for number in _SIGNALS:
        try:
            loop.add_signal_handler(number, once)
        except NotImplementedError:
            signal.signal(number, once_on_windows)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The loop of uvloop where it is installed, else asyncio's own."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    made: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    return made


def _log(*, quiet: bool) -> None:
    """One line for each attempt on standard error, unless the app sets up logging of its own."""
    logging.captureWarnings(True)
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("ringback").setLevel(logging.INFO)
    if quiet:
        logging.getLogger("ringback.attempt").setLevel(logging.WARNING)
