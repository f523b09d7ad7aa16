"""Runs the commands of README, CONTRIBUTING, docs and the configs, page by page: make docs

Each page has a copy of the repository, in which its commands run in order, in one shell: those in its blocks,
then those in its sentences. Trainings have the tests' tiny networks and few steps. What is changed besides,
and what is not run and why, stands in the tables below and is told at the end. What a page says that a
command prints has to be among what is printed, but for its numbers.
"""

import functools
import importlib.util
import itertools
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from PIL import Image

import conftest  # noqa: F401, first, as it says to JAX what it says for the tests
from documents import CONFIGS, DEFAULT, Command, commands, files_of, is_whole, path_of_config
from gan_jax.config import load_config
from gan_jax.data.points import MIXTURES
from gan_jax.data.source import EMBEDDED
from helpers import ROOT, small_overrides
from pages import PAGES, blocks
from runs import free_port

NOT_RUN = [  # the first row that is found in a command tells why
    (r'^(\S*/)?(pip|npm|apt-get|tfds|xprof) ', 'calls what others have made, out of their registries'),
    (r'jupyter lab', 'opens a browser; tests/test_notebook.py runs the notebook'),
    (r'pre-commit (install|run)', 'is for a clone with Git; it calls what make lint typecheck calls'),
    (r'^pytest ', 'is a test, which make test or make test-faults runs'),
    (r'benchmarks/record.py .*--peer', 'needs PyTorch, which has an environment of its own'),
    (r'stacked:mnist|--name=mnist', 'needs MNIST, which has to be downloaded'),
    (
        r'prepare emoji|package/assets',
        "needs Noto's font and Fluent's files; tests/test_emoji.py has its own",
    ),
    (r'/usr/share/datasets', "needs Debian's files; tests/test_data.py makes the set again where they are"),
    (r'prepare fashion_mnist', "needs Debian's files; tests/test_sources.py has files like them"),
    (r'prepare cifar10', 'is refused, as its page says; tests/test_arguments.py looks at the answer'),
    (r'benchmarks/soak.py', 'takes an hour alone on the machine, and is judged by the clock'),
    (r'^touch .*/500/', 'wants a checkpoint that a run so short does not have'),
    (r'host0', 'needs several hosts; two processes on this one are run'),
    (r'^(sbatch|scontrol|gcloud) ', 'needs a cluster that is not here'),
]
NEEDS = {  # not run where the module, an optional one, is not installed
    r'gan_jax[. ]explore|gan-jax explore|benchmarks/explore': 'gradio',
    r'benchmarks/explore': 'playwright',
    r'\.onnx': 'jax2onnx',
}
GENERATED = {  # pages that programs make
    'docs/results.md': 'stands in a page that benchmarks/results.py makes; docs/evaluation.md has the like',
}
CHANGED = [  # pattern, what takes its place, how that is told
    (r'^make train$', 'python train.py', 'make train is the command that it runs'),
    (r'^make ', 'make -n ', 'make only tells what it would do'),
    (r' --peer\b', '', 'the benchmarks leave PyTorch out'),
    (r'--repeats=\d+', '--repeats=1', 'the benchmarks time one dispatch'),
    (r'--num=10000\b', '--num=100', 'benchmarks/prepare.py prepares 100 pictures'),
    (r' --full\b', '', 'benchmarks/seeds.py times a few dispatches'),
    (r'--seeds=0,1,2', '--seeds=0', 'benchmarks/record.py trains one seed'),
    (r'^(?=.*--sweep num_devices=)', 'JAX_NUM_CPU_DEVICES=8 ', 'a sweep of devices has eight of the CPU'),
    (r'(?<=[= ])DIR(_[AB])?\b', '{folder}/pictures', 'DIR is a folder of pictures made for this'),
    (r'(?<=pair )A B\b', '{folder}/pictures {folder}/pictures', 'A and B, of a pair, are that folder too'),
    (r'localhost:1234', 'localhost:{port}', 'the first process has a port that is free'),
]
# Data sets that nobody has here: these pictures as a data set take their place.
STOOD_IN = ('cifar10', 'celeb_a', 'celeb_a_hq', 'cycle_gan', 'fluent_emoji', 'noto_to_fluent')
BEFORE = {  # what a page takes for granted
    'README.md': ['python train.py --config=configs/cyclegan_fashion_mnist.py'],
    'docs/evaluation.md': ['python train.py --config.evaluate_every_steps=8'],
    'docs/performance.md': ['python train.py'],
    'docs/export.md': ['python train.py', 'python train.py --config=configs/cyclegan_fashion_mnist.py'],
}
SERVERS = r'gan_jax[. ]explore|gan-jax explore'  # end when they have told their address
TRAINS = re.compile(
    r'train\.py|gan_jax[. ](train|seeds)\b|gan-jax (train|seeds)\b'
    r'|benchmarks/(throughput|record|seeds|watchdogs)\.py'
)
MOST_SECONDS = 3600  # of a page
NOISE = 'cpu_aot_loader.cc'  # what XLA says of each program that comes out of a cache
MARK = '\x1e'  # before the number of each command, in what a page prints
PRELUDE = """
set -euo pipefail
begun=()
wait() {  # Bash's own is content with jobs that have failed
    local job
    for job in "${begun[@]}"; do builtin wait "$job"; done
    begun=()
}
gan-jax() {
    if [ "$1" = train ]; then python train.py "${@:2}"; else python -m "gan_jax.$1" "${@:2}"; fi
}
srun() {  # two tasks, which are told what Slurm tells
    while [[ $1 == --* ]]; do shift; done
    local task
    for task in 0 1; do
        SLURM_JOB_ID=$$ SLURM_STEP_NODELIST=localhost SLURM_STEP_NUM_NODES=1 SLURM_NTASKS=2 \
            SLURM_PROCID=$task SLURM_LOCALID=$task "$@" &
        begun+=($!)
    done
    wait
}
served() {
    timeout 200 bash -c "$1" > served.log 2>&1 &
    local server=$! seconds
    for seconds in $(seq 150); do
        if grep 'http://' served.log; then kill $server; return; fi
        kill -0 $server || break
        sleep 1
    done
    cat served.log
    return 1
}
"""


class Outcome(NamedTuple):
    """What came of a page."""

    page: str
    seconds: list[float]  # of each command
    ran: list[Command]
    failure: str  # '' where there is none


def why_not(command: Command) -> str:
    """Why a command is not run; '' where it is."""
    if command.page in GENERATED:
        return GENERATED[command.page]
    if command.page in PAGES and files_of(command.page):
        return f'needs the files of its page; {test_of(command.page)} writes them and runs it'
    for pattern, reason in NOT_RUN:
        if re.search(pattern, command.text):
            return reason
    for pattern, module in NEEDS.items():
        if re.search(pattern, command.text) and importlib.util.find_spec(module) is None:
            return f'needs {module}, which is not installed'
    return ''


def test_of(page: str) -> str:
    """The file of a page's own test."""
    return f'tests/test_{Path(page).stem}.py'


@functools.cache
def to_run(page: str) -> list[Command]:
    """Those of a page in order; not what a sentence only mentions."""
    whole = [command for command in commands(page) if command.is_shown or is_whole(command.text)]
    return [command for command in whole if not why_not(command)]


def shortened(text: str, folder: str = 'FOLDER', port: int = 1) -> str:
    """A command as it is run: see the tables; `folder` has what stands for DIR and for data sets."""
    for pattern, instead, _ in CHANGED:
        text = re.sub(pattern, instead.format(folder=folder, port=port), text)
    if not TRAINS.search(text):
        return text
    path = re.search(r'--config=(\S+)', text)
    config = load_config(path_of_config(path[1] if path else DEFAULT), {})
    fields = small_overrides(config.system)
    if config.system == 'points':  # whose lines are as those of its config, a dispatch long, with figures
        fields |= {'steps_per_dispatch': '4', 'evaluate_every_steps': '8'}
    if 'gan.batch_sizes' in fields:  # whose networks have fewer levels than their configs
        fields |= {'gan.learning_rate_factors': '1'}
    if '--config.evaluate_every_steps=' in text:
        del fields['evaluate_every_steps']
    first, *_ = np.atleast_1d(config.data.name)
    if first.partition('/')[0] in STOOD_IN:
        split = 'train[:20],train[20:40]' if config.system == 'cyclegan' else 'train'
        fields |= {'data.name': 'made', 'data.data_dir': f'{folder}/data'}
        fields |= {'data.split': split, 'evaluation.split': split}
    elif '--config.data.name=' in text or not comes_along(first):  # the page has prepared it
        del fields['data.split'], fields['evaluation.split']
    for name in fields:
        text = re.sub(rf' --config\.{name}=\S+', '', text)
    flags = ' '.join(f'--config.{name}={shlex.quote(value)}' for name, value in fields.items())
    return TRAINS.sub(rf'\g<0> {flags}', text)


def comes_along(name: str) -> bool:
    """Whether a data set is in the package."""
    return name in MIXTURES or (EMBEDDED / name.removeprefix('stacked:')).is_dir()


def make_folder(folder: Path) -> None:
    """What the commands need: pictures, a data set of them, two files of features."""
    rng = np.random.default_rng(0)
    (folder / 'pictures').mkdir()
    for number in range(40):
        pixels = rng.integers(0, 256, (4, 5, 3), np.uint8)
        Image.fromarray(pixels).resize((50, 40)).save(folder / 'pictures' / f'{number}.png')
    prepare = ['-m', 'gan_jax.prepare', 'images', folder / 'pictures', '--name=made', '--resolution=32']
    subprocess.run(
        [sys.executable, *prepare, f'--data_dir={folder}/data'], cwd=ROOT, check=True, capture_output=True
    )
    (folder / 'files').mkdir()
    for name in ('FAKES', 'REALS'):
        np.save(folder / 'files' / f'{name}.npy', rng.standard_normal((100, 16)).astype(np.float32))


def script(page: str, folder: Path) -> str:
    """A page's commands as one shell runs them."""
    ran = to_run(page)
    lines = [PRELUDE, *(shortened(text, str(folder), free_port()) for text in BEFORE.get(page, []) if ran)]
    for number, command in enumerate(ran):
        lines.append(f"printf '{MARK}%s %s\\n' {number} $(date +%s.%N)")
        text = shortened(command.text, str(folder), free_port())
        if re.search(SERVERS, text):
            text = f'served {shlex.quote(text)}'
        lines.append(re.sub(r'&(?=\s*done\b)', '& begun+=($!);', text))
    lines.append(f"printf '{MARK}%s %s\\n' {len(ran)} $(date +%s.%N)")
    return '\n'.join(lines)


def run(page: str, folder: Path, commands_of_page: str) -> Outcome:
    """Runs a page's `script` in a copy of the repository."""
    ran, here = to_run(page), folder / page.replace('/', '_')
    ignored = shutil.ignore_patterns('.*', 'runs', '__pycache__', '*.egg-info')
    shutil.copytree(ROOT, here, ignore=ignored)
    shutil.copytree(folder / 'files', here, dirs_exist_ok=True)
    (here / '.venv').symlink_to(sys.prefix)
    environment = {name: value for name, value in os.environ.items() if name != 'JAX_NUM_CPU_DEVICES'}
    environment |= {'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}', 'PYTHONUNBUFFERED': '1'}
    with open(here / 'printed', 'w+') as printed:
        shell = subprocess.Popen(
            ['bash', '-c', commands_of_page],
            **{'cwd': here, 'env': environment, 'stdout': printed, 'stderr': subprocess.STDOUT},
            start_new_session=True,
        )
        try:
            shell.wait(MOST_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
    said = (here / 'printed').read_text(errors='replace').replace(str(folder / 'pictures'), 'DIR')
    started = [float(line.split()[1]) for line in said.split(MARK)[1:]]
    seconds = [end - begin for begin, end in itertools.pairwise(started)]
    return Outcome(page, seconds, ran, failure_of(page, ran, said, shell.returncode))


def failure_of(page: str, ran: list[Command], said: str, code: int) -> str:
    """Which command of a page has failed, and what it said; else what none has printed; '' if all is well."""
    done = said.count(MARK)
    if code != 0:
        lines = [line[:300] for line in said.rpartition(MARK)[2].splitlines()[1:] if NOISE not in line]
        last = '\n'.join(lines[-30:])
        return f'{ran[done - 1].text if done else BEFORE[page]}\nended with {code}:\n{last}'
    missing = not_printed(page, said) if ran else []
    return '' if not missing else 'no command printed\n' + '\n'.join(missing)


def not_printed(page: str, said: str) -> list[str]:
    """Lines of a page's blocks of text that are not among what its commands have printed."""
    printed = {without_numbers(line) for line in re.split(r'[\r\n]', said)}
    shown, before = [], ''
    for block in blocks(page) if page in PAGES else []:
        if block.language == 'text' and before != 'python':  # what Python prints, other tests look at
            shown += [line for line in block.text.splitlines() if line.strip() not in ('', '…', '...')]
        before = block.language
    return [line for line in shown if without_numbers(line) not in printed]


def without_numbers(line: str) -> str:
    """A line whose numbers and hashes are all alike."""
    return ' '.join(re.sub(r'\b[0-9a-f]{12,}\b|\d[\d.,:]*(e[-+]?\d+)?', '#', line).split())


def main(pages: list[str]) -> int:
    """Runs these pages, or all; tells what came of them."""
    pages = pages or [*PAGES, *CONFIGS]
    if unknown := [page for page in pages if page not in {*PAGES, *CONFIGS}]:
        print(
            f'{unknown[0]}: no such page; takes README.md, CONTRIBUTING.md, docs/… or configs/….py',
            file=sys.stderr,
        )
        return 2
    begun, failures = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix='gan_jax_docs_') as name, ThreadPoolExecutor(2) as threads:
        folder = Path(name)
        make_folder(folder)
        scripts = [script(page, folder) for page in pages]  # before there are threads, as parsers are patched
        running = [threads.submit(run, page, folder, text) for page, text in zip(pages, scripts, strict=True)]
        for outcome in (each.result() for each in as_completed(running)):
            print(f'{outcome.page}: {len(outcome.seconds)} of {len(outcome.ran)} commands run')
            for seconds, command in zip(outcome.seconds, outcome.ran, strict=False):
                print(f'{seconds:8.1f} s  {" ".join(command.text.split())}')
            if outcome.failure:
                failures += 1
                print(f'FAILED: {outcome.failure}')
            sys.stdout.flush()
    print('\nRun with tiny networks and few steps, and with these changes:')
    for told in dict.fromkeys(told for _, _, told in CHANGED):
        print(f'  {told}')
    print(f'  a data set of these pictures stands for {", ".join(STOOD_IN)}')
    print('\nNot run, and only read by the parsers of what they call (tests/test_documents.py):')
    skipped = [command for page in pages for command in commands(page) if why_not(command)]
    for reason in dict.fromkeys(map(why_not, skipped)):
        print(f'  {reason}:')
        texts = dict.fromkeys(command.text for command in skipped if why_not(command) == reason)
        print(*(f'    {" ".join(text.split())}' for text in texts), sep='\n')
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f'\n{time.monotonic() - begun:.0f} s, of the processors {used.ru_utime + used.ru_stime:.0f} s; '
        f'{failures} of {len(pages)} pages failed'
    )
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
