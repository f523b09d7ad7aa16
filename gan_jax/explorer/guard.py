"""What the explorer refuses before Gradio sees it: what another site's page asks, and what is too much."""

import re
from collections.abc import Callable, Collection

HOST = re.compile(r'(\[.*\]|[^:]*)(:\d+)?')


def guarded(app: Callable, most_bytes: int, names: Collection[str] | None = None) -> Callable:
    """The same ASGI application, for what its own pages ask and a request of at most so many bytes.

    A browser sends a form to any address without asking first, but says which site the form is from. The
    name of any site may lead to this machine, but a browser says by which it has come.

    Args:
        app: to be guarded.
        most_bytes: of a request.
        names: of this machine that it may be asked for by, in small letters; None for any.
    """

    async def guard(scope, receive, send):
        headers = dict(scope.get('headers', ()))
        if scope['type'] == 'http' and names is not None:
            host = HOST.fullmatch(headers.get(b'host', b'').decode('latin-1'))
            if host is None or host[1].lower() not in names:
                return await refuse(send, 400, b'Asked for by a name that is not of this machine.')
        if scope['type'] == 'http' and scope['method'] not in ('GET', 'HEAD'):
            origin, length = headers.get(b'origin'), headers.get(b'content-length', b'')
            if origin is not None and origin.partition(b'://')[2] != headers.get(b'host'):
                return await refuse(send, 403, b'Asked by the page of another site.')
            if not length.isdigit() or int(length) > most_bytes:
                return await refuse(send, 413, b'Too much at once.')
        return await app(scope, receive, send)

    return guard


async def refuse(send: Callable, status: int, why: bytes) -> None:
    """Answers a request with a line of text."""
    headers = [(b'content-type', b'text/plain'), (b'connection', b'close')]
    await send({'type': 'http.response.start', 'status': status, 'headers': headers})
    await send({'type': 'http.response.body', 'body': why})
