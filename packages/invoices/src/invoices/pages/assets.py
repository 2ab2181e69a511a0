"""The stylesheet, the script and the pictures of the pages, served from memory."""

import hashlib
from pathlib import Path
from typing import Final

from fastapi import APIRouter, HTTPException, Response

__all__ = ["VERSION", "router"]

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_FILES: Final = {
    path.name: path.read_bytes()
    for path in sorted((Path(__file__).parent / "static").iterdir())
    if path.suffix in _TYPES
}

VERSION: Final = hashlib.sha256(b"".join(_FILES.values())).hexdigest()[:12]
"""Changes with any of the files. Links carry it, so that browsers may keep a file for good."""

router = APIRouter(include_in_schema=False)


@router.get("/pages/{name}")
async def read_asset(name: str) -> Response:
    """One of the files."""
    if name not in _FILES:
        raise HTTPException(404)
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable",
        "Content-Security-Policy": "default-src 'none'",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(_FILES[name], headers=headers, media_type=_TYPES[name[name.rindex(".") :]])
