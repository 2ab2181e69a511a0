"""Repeats one seed with all that happened, or looks through many."""

import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from testkit.folders import memory_folder
from testkit.simulator import Place, simulate


def main() -> int:
    """``SEED`` or ``FIRST-LAST``; the exit code says whether a rule was broken."""
    first, _, last = (sys.argv[1] if len(sys.argv) > 1 else "0-299").partition("-")
    with TemporaryDirectory(dir=memory_folder()) as folder:
        place = Place(Path(folder))
        if not last:
            outcome = simulate(int(first), place)
            print(*outcome.trace, sep="\n")
            print(*outcome.broken, sep="\n")
            return bool(outcome.broken)
        total: Counter[str] = Counter()
        began, failed = time.monotonic(), 0
        for seed in range(int(first), int(last) + 1):
            outcome = simulate(seed, place)
            for name in ("deliveries", "requests", "duplicates", "lapses"):
                total[name] += getattr(outcome, name)
            if outcome.broken:
                failed += 1
                print(outcome, flush=True)
        figures = ", ".join(f"{count:,} {name}" for name, count in total.items())
        print(f"{failed} seeds failed; {figures}; {time.monotonic() - began:.1f} s")
        return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
