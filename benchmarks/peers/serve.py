"""The PyTorch side of a benchmark, in a process and an environment of its own.

    python serve.py '{"form": "compile", "config": {…}}'

reads lines: to the first, whatever it is, it answers with what it is, as JSON, once it has warmed up; then to
each number N with the seconds that N steps took; and to the end of its input with the bytes of memory at the
peak of the timed steps.
"""

import importlib
import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parents[2]))
# PyTorch asks for a user's name for its cache of compiled code, which a container may not have.
os.environ.setdefault('TORCHINDUCTOR_CACHE_DIR', str(Path.home() / '.cache/torchinductor'))

import torch

from benchmarks.memory import peak_bytes, restart_peak
from benchmarks.peers.latent_gan import read
from benchmarks.synthetic import num_examples

WARM_UP = 3  # steps; the first compiles


def main(request: str) -> None:
    """Builds the step that the request describes and times it as often as it is asked to."""
    request = json.loads(request, object_hook=lambda fields: SimpleNamespace(**fields))
    config, form = request.config, request.form
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision('high')  # TF32 on GPUs, which is JAX's default there
    players = importlib.import_module(f'benchmarks.peers.{config.system}').make(config)
    layout = torch.contiguous_format if form == 'eager' else torch.channels_last
    for network in (players.generator, players.discriminator):
        network.to(device, memory_format=layout)
        if form == 'compile':
            for each in network.values() if isinstance(network, torch.nn.ModuleDict) else [network]:
                each.compile()
    size, channels = config.data.resolution, config.data.channels
    examples = num_examples(size, channels, config.batch_size)
    domains = [
        torch.randint(0, 256, (examples, channels, size, size), dtype=torch.uint8).to(
            device, memory_format=layout
        )
        for _ in range(players.domains)
    ]
    step, load_resolution = players.make_step(players, config), getattr(config.data, 'load_resolution', 0)

    def run(num_steps):
        started = time.perf_counter()
        for _ in range(num_steps):
            indices = torch.randint(examples, (config.batch_size,), device=device)
            losses = step(*(read(images, indices, config.data.flip, load_resolution) for images in domains))
        losses = [loss.item() for loss in losses]  # waits for the device
        if not all(abs(loss) < float('inf') for loss in losses):
            raise FloatingPointError(f'the losses are {losses}')
        return time.perf_counter() - started

    sys.stdin.readline()
    run(WARM_UP)
    restart_peak()
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats()
    print(json.dumps({'pytorch_version': torch.__version__, 'threads': torch.get_num_threads()}), flush=True)
    for line in sys.stdin:
        print(run(int(line)), flush=True)
    peak = torch.cuda.max_memory_allocated() if device.type == 'cuda' else peak_bytes()
    print(json.dumps(peak), flush=True)


if __name__ == '__main__':
    main(sys.argv[1])
