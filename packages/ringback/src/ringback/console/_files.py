"""The stylesheets, scripts and pictures of the console, served from memory."""

import hashlib
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

__all__ = ["VERSION", "read"]

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FILES: Final = {
    path.name: path.read_bytes()
    for path in sorted((Path(__file__).parent / "static").rglob("*.*"))
    if path.suffix in _TYPES
}

VERSION: Final = hashlib.sha256(b"".join(_FILES.values())).hexdigest()[:12]
"""Changes with any of the files. Links carry it, so that browsers may keep a file for good."""


async def read(request: Request) -> Response:
    """One of the files."""
    name = request.path_params["name"]
    if name not in _FILES:
        raise HTTPException(404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(_FILES[name], headers=headers, media_type=_TYPES[Path(name).suffix])
