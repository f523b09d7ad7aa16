"""Trains the PyTorch side of a config on its pictures and draws with it, in an environment of its own.

    python train.py '{"config": {…}, "workdir": "DIR"}'

reads DIR/images.npy, uint8 [N, H, W, C], takes the config's steps, leaves `evaluation.num_samples` pictures
in DIR/pictures, and prints one JSON object.
"""

import importlib
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from PIL import Image

from benchmarks.peers.latent_gan import read

CHUNK = 500  # pictures drawn at once


def main(request: str) -> None:
    """Trains, draws and tells which PyTorch it was and how long the drawing took."""
    request = json.loads(request, object_hook=lambda fields: SimpleNamespace(**fields))
    config, workdir = request.config, Path(request.workdir)
    torch.manual_seed(config.seed)
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision('high')  # TF32 on GPUs, which is JAX's default there
    if config.gan.latent != 'normal':
        raise ValueError('draws normal z alone')
    players = importlib.import_module(f'benchmarks.peers.{config.system}').make(config)
    for network in (players.generator, players.discriminator):
        network.to(device, memory_format=torch.channels_last)
    images = torch.from_numpy(np.load(workdir / 'images.npy')).permute(0, 3, 1, 2)
    images = images.to(device).contiguous(memory_format=torch.channels_last)
    step, examples = players.make_step(players, config), order(len(images), config.batch_size, device)
    for _ in range(config.num_steps):
        step(read(images, next(examples), config.data.flip))

    started = time.perf_counter()
    draw(players.generator.eval(), config, workdir / 'pictures', device)
    seconds = time.perf_counter() - started
    print(json.dumps({'pytorch': torch.__version__, 'seconds_of_drawing': seconds}))


def order(number: int, batch_size: int, device):
    """The examples of each batch without end: all of them once, in a random order, then all again."""
    coming = torch.empty(0, dtype=torch.long, device=device)
    while True:
        while len(coming) < batch_size:
            coming = torch.cat([coming, torch.randperm(number, device=device)])
        yield coming[:batch_size]
        coming = coming[batch_size:]


@torch.no_grad()
def draw(generator, config, folder: Path, device) -> None:
    """Writes as many pictures as an evaluation of the config looks at."""
    folder.mkdir()
    for first in range(0, config.evaluation.num_samples, CHUNK):
        number = min(CHUNK, config.evaluation.num_samples - first)
        fakes = generator(torch.randn(number, config.gan.latent_dim, device=device))
        pixels = ((fakes + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        for place, picture in enumerate(pixels):
            Image.fromarray(picture.squeeze()).save(folder / f'{first + place:06d}.png')


if __name__ == '__main__':
    main(sys.argv[1])
