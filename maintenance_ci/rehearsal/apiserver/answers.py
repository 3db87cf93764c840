"""How an answer is written: a JSON document, or a stream that goes on for as long as there is something to say."""

from __future__ import annotations

import contextlib
import gzip
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Object = dict[str, Any]


# A bigger document is compressed, quickly rather than well, for a client that accepts it (k8s.io/apiserver,
# pkg/endpoints/handlers/responsewriters/writers.go: 128 KiB, level 1; not recorded).
COMPRESSED_FROM = 128 * 1024
LEVEL = 1


def json_answer(
    status: int, body: Object, content_type: str = "application/json", *, accepted: str = ""
) -> web.Response:
    """A document, in the compact form of the real server; ``accepted`` is the client's Accept-Encoding."""
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    headers = {"Content-Type": content_type}
    if len(content) > COMPRESSED_FROM and "gzip" in accepted:
        content = gzip.compress(content, LEVEL)
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return web.Response(status=status, body=content, headers=headers)


async def stream_events(request: web.Request, events: AsyncIterator[Object]) -> web.StreamResponse:
    """The events of a watch, one JSON document a line."""

    async def lines() -> AsyncIterator[bytes]:
        async for event in events:
            yield json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    return await stream(request, lines(), "application/json")


async def begun(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same chunks, the first of them at hand: a refusal comes before the answer begins."""
    first = await anext(chunks, None)

    async def whole() -> AsyncIterator[bytes]:
        if first is not None:
            yield first
            async for chunk in chunks:
                yield chunk

    return whole()


async def stream(request: web.Request, chunks: AsyncIterator[bytes], content_type: str) -> web.StreamResponse:
    """Chunks as they come, until there are no more or the client goes away."""
    response = web.StreamResponse(headers={"Content-Type": content_type})
    response.enable_chunked_encoding()
    await response.prepare(request)
    with contextlib.suppress(ConnectionResetError):  # clients end watches by going away
        async for chunk in chunks:
            await response.write(chunk)
        await response.write_eof()
    return response
