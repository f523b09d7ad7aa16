"""A web page of this machine that shows what a run has learned: python -m gan_jax.explore --workdir=runs/a

It needs Gradio, as requirements-explore.txt and the extra gan-jax[explore] have it.
"""

import contextlib
import errno
import gc
import inspect
import ipaddress
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from gan_jax import cli, fields
from gan_jax.base import UserError

PORTS_TRIED = 100  # from the one asked for on
MOST_BYTES = 20 * 2**20  # of a file that a person uploads
INSTALL = 'pip install -r requirements-explore.txt, or with the extra gan-jax[explore]'
FONTS = ('system-ui', 'Segoe UI', 'Roboto', 'Helvetica', 'Arial', 'sans-serif')


def main(arguments: list[str]) -> None:
    """Reads the command line, opens the run and serves its page until it is interrupted."""
    options = parse(arguments)
    with bound(options.host, options.port) as listening, temporary_folder(), without_collecting():
        from gan_jax.explorer.views import Run  # here, as JAX takes a while and a mistake is told before

        # Gradio takes as long as the checkpoint.
        with ThreadPoolExecutor(1) as thread:
            page = thread.submit(load_page)
            run = Run(Path(options.workdir))
            run.prepare()
        serve(run, page, listening, options.host)
    cli.leave(0)


def parse(arguments: list[str]):
    """The command line; raises UserError."""
    parser = cli.Parser(__doc__)
    parser.add_argument('--workdir', type=cli.path('the folder of a run'), required=True, help='of the run')
    address = fields.text(
        'an address or a name of this machine', accepts=lambda text: text.isprintable() and text != ''
    )
    parser.add_argument(
        '--host',
        type=cli.value_of(address),
        default='127.0.0.1',
        help='who may see the page: this machine alone by default, 0.0.0.0 for all that can reach it',
    )
    parser.add_argument(
        '--port',
        type=cli.whole_number(0, 65_535),
        default=7860,
        help='7860 by default; the next one that is free where it is taken, any one for 0',
    )
    return parser.parse_args(arguments)


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens at the port, or at the next one that is free; raises UserError."""
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    last = min(port + PORTS_TRIED, 65_536)
    for candidate in range(port, last):
        try:
            return socket.create_server((host, candidate), family=family, backlog=128)
        except (OSError, UnicodeError, OverflowError, ValueError) as error:
            if getattr(error, 'errno', None) not in (errno.EADDRINUSE, errno.EACCES):
                why = getattr(error, 'strerror', None) or error
                raise UserError(
                    f'--host: {host!r} will not do ({why}); takes an address of this machine'
                ) from None
    raise UserError(f'--port: {port} and all up to {last - 1} are taken; takes one that is free')


@contextlib.contextmanager
def temporary_folder() -> Iterator[None]:
    """All that is uploaded goes into a folder that is gone when the page is, by SIGTERM too."""
    settings = {'GRADIO_ANALYTICS_ENABLED': 'False', 'HF_HUB_DISABLE_TELEMETRY': '1', 'HF_HUB_OFFLINE': '1'}
    before, at_sigterm = tempfile.tempdir, signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix='gan_jax_explore_', ignore_cleanup_errors=True) as folder:
        tempfile.tempdir = folder
        os.environ |= {**settings, 'GRADIO_TEMP_DIR': folder}
        try:
            yield
        finally:
            tempfile.tempdir = before
            signal.signal(signal.SIGTERM, at_sigterm)


@contextlib.contextmanager
def without_collecting() -> Iterator[None]:
    """Garbage is looked for once it is enabled: while modules load, in vain a sixth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextlib.contextmanager
def without_stubs() -> Iterator[None]:
    """Gradio writes stubs of its components' types at every import, over half of the time that takes.

    It leaves out what has no file, as its own components have none here.
    """
    getfile = inspect.getfile

    def of_others(thing):
        if getattr(thing, '__module__', '').startswith('gradio.'):
            raise OSError
        return getfile(thing)

    inspect.getfile = of_others
    try:
        yield
    finally:
        inspect.getfile = getfile


def load_page():
    """The module that makes the page, and Gradio with it; raises UserError where that is not installed."""
    try:
        with without_stubs():
            import gradio  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError as error:
        if error.name != 'gradio':
            raise
        raise UserError(f'explore needs Gradio; {INSTALL}') from None
    from gan_jax.explorer import page

    return page


def serve(run, page: Future, listening: socket.socket, host: str) -> None:
    """Makes the page of a run, says where it is, and answers until SIGINT or SIGTERM."""
    address, port = listening.getsockname()[:2]
    place = f'[{address}]' if ':' in address else address
    # Another site's name may be made to lead to this machine, where nobody else's would do.
    names = ('localhost', place, host.lower()) if ipaddress.ip_address(address).is_loopback else None
    app = page.result().application(run, FONTS, MOST_BYTES, names)

    import uvicorn  # pyright: ignore[reportMissingImports]

    gc.freeze()
    gc.enable()
    server = uvicorn.Server(uvicorn.Config(app, log_level='critical', ws='none'))
    # Beside this thread, as what it is at work on when it is told to stop may take long.
    thread = threading.Thread(target=server.run, kwargs={'sockets': [listening]}, daemon=True)
    thread.start()
    print(f'http://{place}:{port}', flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        thread.join()


if __name__ == '__main__':
    sys.exit(cli.run(main))
