"""The operator's console: what is owed, what became of it, and steering it, as pages of your app.

    app.mount("/console", Console(ringback, secret=os.environ["CONSOLE_SECRET"]))

It is an ASGI application whose pages work without scripts, and needs ``pip install 'ringback[console]'``.
"""

try:
    import itsdangerous as _itsdangerous
    import jinja2 as _jinja2
except ModuleNotFoundError as _error:
    raise ImportError(
        f"The console needs {_error.name}, which is not installed. Run: pip install 'ringback[console]'."
    ) from _error

from ringback.console._console import Authenticate, Console
from ringback.console._rendering import page
from ringback.console._sections import Section, framed

__all__ = ["Authenticate", "Console", "Section", "framed", "page"]

del _itsdangerous, _jinja2
