"""Stage the pages, build the site without a warning, check what was built."""

import subprocess
import sys
from pathlib import Path

from docs_site.checking import findings
from docs_site.staging import stage

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".docs"

_SECONDS = 300


def main() -> int:
    """Build into `.docs/site`; returns 1 where the site would have a flaw."""
    stage(ROOT, FOLDER)
    command = (sys.executable, "-m", "zensical", "build", "--clean", "--strict")
    built = subprocess.run(  # noqa: S603 (no word of it comes from outside)
        command, cwd=FOLDER, check=False, capture_output=True, text=True, timeout=_SECONDS
    )
    said = built.stdout + built.stderr
    if built.returncode != 0 or "No issues found" not in said:
        print(said, file=sys.stderr)
        return 1
    found = findings(FOLDER / "site")
    for finding in found:
        print(finding, file=sys.stderr)
    pages = len(list((FOLDER / "site").rglob("*.html")))
    print(f"{pages} pages, {len(found)} flaws: open {FOLDER / 'site' / 'index.html'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
