"""Values as Python writes them, laid out as a formatter would."""

from typing import Any, Final

__all__ = ["WIDTH", "call", "literal"]

WIDTH: Final = 110


def literal(value: Any, *, indent: int = 0, room: int = WIDTH) -> str:
    """The value in one line, or in several that end at `indent` where `room` is too short."""
    line = _one_line(value)
    if len(line) <= room or not isinstance(value, dict | list) or not value:
        return line
    inner = indent + 4
    if isinstance(value, dict):
        parts = [
            f"{_one_line(name)}: {literal(item, indent=inner, room=WIDTH - inner - len(_one_line(name)) - 3)}"
            for name, item in value.items()
        ]
    else:
        parts = [literal(item, indent=inner, room=WIDTH - inner - 1) for item in value]
    start, end = "{}" if isinstance(value, dict) else "[]"
    return "\n".join([start, *(f"{' ' * inner}{part}," for part in parts), f"{' ' * indent}{end}"])


def call(function: str, *, indent: int, before: str, value: Any = None, **named: Any) -> str:
    """A call with one value, or with named ones, that stands behind `before`."""
    one = (
        ", ".join(f"{name}={_one_line(item)}" for name, item in named.items()) if named else _one_line(value)
    )
    if indent + len(f"{before}{function}({one})") <= WIDTH:
        return f"{function}({one})"
    inner = indent + 4
    lines = [
        f"{name}={literal(item, indent=inner, room=WIDTH - inner - len(name) - 2)},"
        for name, item in named.items()
    ]
    if not named:
        lines = [literal(value, indent=inner, room=WIDTH - inner)]
    return "\n".join([f"{function}(", *(f"{' ' * inner}{line}" for line in lines), f"{' ' * indent})"])


def _one_line(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_one_line(name)}: {_one_line(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_one_line(item) for item in value) + "]"
    text = repr(value)
    # Double quotes, unless more would have to be escaped.
    if isinstance(value, str | bytes) and text.endswith("'") and '"' not in text:
        start = text.index("'")
        return f'{text[:start]}"{text[start + 1 : -1]}"'
    return text
