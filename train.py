"""Trains a GAN: python train.py --config=configs/dcgan_fashion_mnist.py --workdir=runs/a --config.seed=1"""

from pathlib import Path

from gan_jax import cli, heap, stopping


def main(arguments: list[str]) -> None:
    """Reads the command line, loads the config and hands over."""
    parser = cli.Parser(__doc__)
    parser.add_argument(
        '--config',
        default=str(Path(__file__).parent / 'configs/dcgan_fashion_mnist.py'),
        help='file with get_config(); --config.x=1 sets its x',
    )
    parser.add_argument(
        '--workdir', type=cli.path('a folder'), help='folder of the run; default: runs/<name of the config>'
    )
    parser.add_argument(
        '--dry_run', nargs='?', const='text', choices=('text', 'json'), help='report what would run, and stop'
    )
    overrides, others = cli.config_overrides(arguments)
    options = parser.parse_args(others)
    from gan_jax.config import load_config

    config = load_config(options.config, overrides)
    if options.dry_run:
        from gan_jax.dry_run import dry_run

        print(dry_run(config, options.dry_run))
        return
    from gan_jax.loop import train

    train(config, options.workdir or f'runs/{Path(options.config).stem}')


if __name__ == '__main__':
    stopping.end_outside_a_run()
    heap.bound()
    cli.leave(cli.run(main))
