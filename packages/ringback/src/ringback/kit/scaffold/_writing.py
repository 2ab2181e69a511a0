"""Files on disk: what is missing is written, what the developer has changed is kept and compared."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ringback._errors import RingbackError
from ringback.kit.scaffold._models import is_untouched

__all__ = ["State", "Written", "write_files"]


class State(StrEnum):
    """What became of a file."""

    NEW = "new"
    SAME = "unchanged"
    RENEWED = "made again"
    REPLACED = "replaced"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Written:
    """One file of the project. `diff` leads from what is there to what would be written, for a kept one."""

    path: str
    state: State
    diff: str = ""


def write_files(folder: Path, files: Mapping[str, str], *, force: bool = False) -> list[Written]:
    """Write the files; one that differs is only replaced with `force`, or where nobody has changed it.

    Raises `RingbackError` where the folder is a file, or something there is no text.
    """
    if folder.exists() and not folder.is_dir():
        raise RingbackError(f"{folder} is a file. Name a folder that is new, or one of an earlier run.")
    # All are compared first: a file that cannot be read must not leave half a project behind.
    states = {name: _state(folder / name, text, force) for name, text in files.items()}
    written: list[Written] = []
    for name, text in files.items():
        path, state = folder / name, states[name]
        if state is State.KEPT:
            written.append(Written(name, state, _diff(name, _read(path), text)))
            continue
        if state is not State.SAME:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        written.append(Written(name, state))
    return written


def _state(path: Path, text: str, force: bool) -> State:
    if not path.exists():
        return State.NEW
    present = _read(path)
    if present == text:
        return State.SAME
    if is_untouched(present):
        return State.RENEWED
    return State.REPLACED if force else State.KEPT


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as error:
        raise RingbackError(
            f"{path} cannot be compared: {error}. Move it away, or choose another folder."
        ) from None


def _diff(name: str, present: str, new: str) -> str:
    lines = difflib.unified_diff(
        present.splitlines(), new.splitlines(), f"{name} (yours)", f"{name} (from the document)", lineterm=""
    )
    return "\n".join(lines)
