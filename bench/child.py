"""The process under test: prepares one subject, times its run, prints the figures as JSON.

It stands alone on its core. Started as ``python -m bench.child MODULE`` with the `Given` as JSON on stdin.
"""

import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path

import uvloop

from bench.given import Given, Numbers


async def measure(module: str, given: Given) -> Numbers:
    """Prepare and run one subject; rates are per second, CPU in microseconds each, memory in MB."""
    run = await importlib.import_module(f"bench.subjects.{module}").prepare(given)
    cpu, start = time.process_time(), time.perf_counter()
    outcome = await run()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    memory = _peak_memory()
    if isinstance(outcome, dict):
        return {"memory": memory, **outcome}
    return {"rate": outcome / seconds, "cpu": cpu / outcome * 1e6, "memory": memory}


def _peak_memory() -> float:
    """The most memory that this process has had, in MB."""
    try:
        # Not getrusage, which on Linux begins with what the parent had.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure what the arguments name."""
    numbers = uvloop.run(measure(sys.argv[1], Given(**json.load(sys.stdin))))
    print(json.dumps(numbers), flush=True)
    # Peers leave threads and connections behind; nothing of this process is needed any more.
    os._exit(0)


if __name__ == "__main__":
    main()
