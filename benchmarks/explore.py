"""How long a person waits for the explorer: for its first picture, and for the next after a slider has moved.

python benchmarks/explore.py --workdir=runs/dcgan_fashion_mnist

Starts `python -m gan_jax.explore` twice, the second time with all that was compiled kept, opens its page in
Chromium without a screen, and drags the first direction's slider. Prints one JSON object. It needs what
requirements-explore.txt and requirements-dev-explore.txt name, and chromium on the path.
"""

import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from gan_jax import cli
from gan_jax.base import UserError

# From the event that a hand makes to the frame that shows another picture.
DRAG = """async moves => {
    const slider = document.querySelector('#direction-1 input[type=range]');
    const milliseconds = [];
    for (let move = 0; move < moves; move++) {
        const before = document.querySelector('#stage .main img').src;
        const started = performance.now();
        slider.value = -3 + 0.05 * ((7 * move) % 120 + 1);
        slider.dispatchEvent(new Event('input', {bubbles: true}));
        while (document.querySelector('#stage .main img').src === before)
            await new Promise(requestAnimationFrame);
        milliseconds.push(performance.now() - started);
        await new Promise(done => setTimeout(done, 50));
    }
    return milliseconds;
}"""


def main(arguments: list[str]) -> None:
    """Reads the command line, measures and prints."""
    parser = cli.Parser(__doc__)
    parser.add_argument('--workdir', type=cli.path('the folder of a run'), required=True, help='of the run')
    parser.add_argument('--moves', type=cli.whole_number(2, 10_000), default=50, help='of the slider')
    options = parser.parse_args(arguments)
    chromium = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
    if not chromium:
        raise UserError('explore needs chromium on the path: apt-get install chromium')
    first, warm = (measured(options, chromium) for _ in range(2))
    print(json.dumps({'first_start': first, 'warm_start': warm}, indent=2))


def measured(options, chromium: str) -> dict:
    """Seconds to the address and to the first picture, milliseconds of each move of the slider."""
    from playwright.sync_api import sync_playwright  # pyright: ignore[reportMissingImports]

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=['--no-sandbox'])
        page = browser.new_page(viewport={'width': 1280, 'height': 800})
        started = time.perf_counter()
        command = [sys.executable, '-m', 'gan_jax.explore', f'--workdir={options.workdir}', '--port=0']
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            try:
                address = server.stdout.readline().strip()
                to_address = time.perf_counter() - started
                if not address:
                    sys.exit(server.wait())  # it has said why
                page.goto(address, wait_until='commit')
                page.wait_for_selector('#stage .main img')
                to_picture = time.perf_counter() - started
                page.wait_for_selector('.direction .strip', timeout=300_000)
                to_directions = time.perf_counter() - started
                page.wait_for_timeout(1000)
                moves = page.evaluate(DRAG, options.moves)
            finally:
                server.terminate()
        browser.close()
    return {
        'seconds_to_address': round(to_address, 2),
        'seconds_to_first_picture': round(to_picture, 2),
        'seconds_to_directions': round(to_directions, 2),
        'slider_milliseconds': {
            'median': round(statistics.median(moves), 1),
            'p95': round(statistics.quantiles(moves, n=20)[-1], 1),
            'most': round(max(moves), 1),
        },
    }


if __name__ == '__main__':
    sys.exit(cli.run(main))
