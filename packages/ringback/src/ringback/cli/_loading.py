"""Load the app that a command names, and find its Ringback."""

import importlib
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ringback._errors import RingbackError

if TYPE_CHECKING:
    from ringback._ringback import Ringback

__all__ = ["load_app", "load_ringback"]


def load_ringback(name: str, *, factory: bool) -> "Ringback":
    """The Ringback of the app ``module:app``; raises `RingbackError` that says what is missing."""
    from ringback._ringback import Ringback

    app = load_app(name, factory=factory)
    found = app if isinstance(app, Ringback) else getattr(getattr(app, "state", None), "ringback", None)
    if isinstance(found, Ringback):
        return found
    if callable(app) and not hasattr(app, "state"):
        raise RingbackError(
            f"{name} is a function and not an app. If it makes the app, add --factory; if not, name the app."
        )
    raise RingbackError(
        f"{name} is {_article(type(app).__name__)} without a Ringback. Add `Ringback(app)` where the app is "
        "made, or name the app that has it."
    )


def load_app(name: str, *, factory: bool) -> Any:
    """What ``module:app`` names, called if it is a factory."""
    module_name, colon, attribute = name.partition(":")
    attribute = attribute if colon else "app"
    if not module_name or not attribute or "/" in name or module_name.endswith(".py"):
        raise typer.BadParameter(
            f"{name!r} does not name an app. Write it as module:app, for example shop.main:app for the "
            "variable `app` in shop/main.py."
        )
    found = _import(module_name)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise RingbackError(f"{module_name!r} has no {attribute!r}: check the name after the colon.")
        found = getattr(found, part)
    return _make(name, found) if factory else found


def _import(module_name: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise RingbackError(
                f"There is no module {error.name!r}. Run this in the folder that holds it ({here} was "
                "searched, and what is installed), and write module:app as Python imports it."
            ) from error
        raise _failed(f"Importing {module_name!r}", error) from error
    except Exception as error:  # the app's own code may raise anything
        raise _failed(f"Importing {module_name!r}", error) from error


def _make(name: str, factory: Any) -> Any:
    if not callable(factory):
        kind = _article(type(factory).__name__)
        raise RingbackError(f"{name} is {kind}, which makes no app: drop --factory.")
    try:
        return factory()
    except Exception as error:  # the app's own code may raise anything
        raise _failed(f"Calling {name}()", error) from error


def _failed(doing: str, error: Exception) -> RingbackError:
    """Say what broke and on which line, without the frames of the import machinery."""
    if isinstance(error, RingbackError):
        return error
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "importlib" not in frame.filename and frame.filename != __file__]
    where = f" at {own[-1].filename}:{own[-1].lineno}" if own else ""
    return RingbackError(f"{doing} failed with {type(error).__name__}{where}: {error}. Mend that first.")


def _article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"
