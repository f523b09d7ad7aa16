"""Trains a GAN: python train.py --config=configs/dcgan_fashion_mnist.py --workdir=runs/a --config.seed=1"""

from pathlib import Path
from typing import NoReturn

from gan_jax import cli, heap, stopping


def main(arguments: list[str]) -> None:
    """Reads the command line, loads the config and hands over."""
    parser = cli.Parser(__doc__)
    parser.add_argument(
        '--config',
        help='file with get_config(), or the name of one that comes along; --config.x=1 sets its x; '
        'default: dcgan_fashion_mnist',
    )
    parser.add_argument(
        '--workdir', type=cli.path('a folder'), help='folder of the run; default: runs/<name of the config>'
    )
    parser.add_argument(
        '--dry_run', nargs='?', const='text', choices=('text', 'json'), help='report what would run, and stop'
    )
    overrides, others = cli.config_overrides(arguments)
    options = parser.parse_args(others)
    from gan_jax.config import CONFIGS, load_config

    # In full, as nobody has asked for a file of that name that lies in the current folder.
    path = str(CONFIGS / 'dcgan_fashion_mnist.py') if options.config is None else options.config
    config = load_config(path, overrides)
    if options.dry_run:
        from gan_jax.dry_run import dry_run

        print(dry_run(config, options.dry_run))
        return
    from gan_jax.loop import train

    train(config, options.workdir or f'runs/{Path(path).stem}')


def command() -> NoReturn:
    """The process: ready for signals from the start, and with memory that goes back to the system."""
    stopping.end_outside_a_run()
    heap.bound()
    cli.leave(cli.run(main))


if __name__ == '__main__':
    command()
