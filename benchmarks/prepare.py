"""How long `prepare` takes for photographs: python benchmarks/prepare.py --num=10000 --json=prepare.json

Makes so many JPEG files of 512 x 512 pixels, smooth noise of the bytes that a photograph has, in a temporary
folder, and prepares them at each resolution by as many processes as there are cores, from the start of Python
to its end. A copy of each of `DIFFERENT` pictures stands for the rest, as drawing them takes longer than all.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gan_jax import cli

SIZE = 512  # pixels
DIFFERENT = 100
STEEPNESS = 1.45  # of the amplitudes of waves, by their number over the picture; photographs have 1 to 1.5
ROOT = Path(__file__).resolve().parent.parent


def photograph(seed: int) -> Image.Image:
    """Smooth noise in colour, a third of it in each channel alone."""
    draw = np.random.default_rng(seed).standard_normal
    waves = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None])
    waves[0, 0] = np.inf  # no mean
    shared = draw((SIZE, SIZE))
    spectra = [np.fft.rfft2(shared + 0.3 * draw((SIZE, SIZE))) / waves**STEEPNESS for _ in range(3)]
    channels = [np.fft.irfft2(spectrum, (SIZE, SIZE)) for spectrum in spectra]
    pixels = 128 + 55 * np.stack([channel / channel.std() for channel in channels], -1)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def make(folder: Path, num: int) -> int:
    """Writes the photographs; returns the bytes of them all."""
    for place in range(min(num, DIFFERENT)):
        photograph(place).save(folder / f'{place:05}.jpg', quality=88)
    for place in range(DIFFERENT, num):
        (folder / f'{place:05}.jpg').write_bytes((folder / f'{place % DIFFERENT:05}.jpg').read_bytes())
    return sum(path.stat().st_size for path in folder.iterdir())


def timed(folder: Path, resolution: int, num_workers: int) -> dict:
    """Prepares a folder once: seconds by the clock, and of processors; bytes of the set."""
    with tempfile.TemporaryDirectory() as data_dir:
        where = ['--name=timed', f'--resolution={resolution}', f'--data_dir={data_dir}']
        command = [sys.executable, '-m', 'gan_jax.prepare', 'images', str(folder), *where]
        before, began = os.times(), time.perf_counter()
        subprocess.run([*command, f'--num_workers={num_workers}'], cwd=ROOT, check=True, capture_output=True)
        seconds, after = time.perf_counter() - began, os.times()
        processors = after.children_user + after.children_system
        return {
            'resolution': resolution,
            'seconds': round(seconds, 1),
            'processor_seconds': round(processors - before.children_user - before.children_system, 1),
            'set_bytes': sum(path.stat().st_size for path in Path(data_dir).rglob('*') if path.is_file()),
        }


def main(arguments: list[str]) -> None:
    """Reads the command line and prints one JSON object."""
    parser = cli.Parser(__doc__)
    parser.add_argument('--num', type=cli.whole_number(1, 1_000_000), default=10_000, help='photographs')
    parser.add_argument('--num_workers', type=cli.whole_number(1, 256), default=os.cpu_count() or 1)
    parser.add_argument('--json', type=cli.path('a .json file'), help='also write the object to')
    options = parser.parse_args(arguments)
    if options.json:
        cli.check_file('--json', options.json, '.json')
    with tempfile.TemporaryDirectory() as folder:
        num_bytes = make(Path(folder), options.num)
        runs = [timed(Path(folder), resolution, options.num_workers) for resolution in (128, 512)]
    result = {'num': options.num, 'mean_jpeg_bytes': num_bytes // options.num, 'cores': os.cpu_count()}
    result |= {'num_workers': options.num_workers, 'load': round(os.getloadavg()[0], 1), 'runs': runs}
    print(json.dumps(result, indent=2))
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=2) + '\n')


if __name__ == '__main__':
    sys.exit(cli.run(main))
