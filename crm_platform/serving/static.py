"""Files that never change while the process runs: styles, scripts, icons.

What belongs here: reading serving/static/ once, addresses that carry a digest, packing, caching. What does not: what
is in the files.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from crm_platform.serving.caching import is_known, tag

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

FOLDER: Final = Path(__file__).parent / "static"
_FOREVER: Final = "public, max-age=31536000, immutable"
_LEAST: Final = 1000  # bytes: less is not worth packing


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    packed: bytes
    media_type: str
    digest: str


@functools.cache
def _files() -> dict[str, _File]:
    found = {}
    for path in sorted(FOLDER.iterdir()):
        content = path.read_bytes()
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        digest = hashlib.sha256(content).hexdigest()[:12]
        found[path.name] = _File(content, gzip.compress(content, mtime=0), media_type, digest)
    return found


def static_url(name: str) -> str:
    """The address of a file under serving/static/, new when its content is. Raises KeyError for an unknown one."""
    return f"/static/{name}?v={_files()[name].digest}"


async def _serve(request: Request) -> Response:
    name = request.path_params["name"]
    file = _files().get(name)
    if file is None:
        raise HTTPException(404)
    etag = tag(file.digest)
    caching = _FOREVER if request.query_params.get("v") == file.digest else "public, no-cache"
    headers = {"ETag": etag, "Cache-Control": caching, "Vary": "Accept-Encoding"}
    if is_known(request, etag):
        return Response(status_code=304, headers=headers)
    if len(file.content) >= _LEAST and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.packed, media_type=file.media_type, headers=headers | {"Content-Encoding": "gzip"})
    return Response(file.content, media_type=file.media_type, headers=headers)


def routes() -> list[BaseRoute]:
    """The route of all static files."""
    return [Route("/static/{name:path}", _serve, name="static")]
