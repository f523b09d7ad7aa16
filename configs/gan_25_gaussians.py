"""25 Gaussians in a grid, points instead of images: how many modes a GAN covers.

python train.py --config=configs/gan_25_gaussians.py --workdir=runs/gan_25_gaussians

1 min 30 s on two CPU cores with another run beside. G's average covers all 25, with more than nine in ten
samples near one of them (docs/results.md).
"""

from ml_collections import ConfigDict


def get_config():
    """Every field of the run, with its unit."""
    return ConfigDict(
        {
            'system': 'points',  # the file in gan_jax/gans
            'seed': 0,  # all randomness of the run
            'batch_size': 512,  # points, over all devices
            'num_steps': 20_000,  # generator updates
            'steps_per_dispatch': 500,  # updates in one call of the device
            'dtype': 'float32',  # compute; parameters are float32 throughout
            'data': {
                'name': '25_gaussians',  # or 8_gaussians; see gan_jax/data/points.py
                'data_dir': '',  # nothing is read
                'split': 'train',
                'resolution': 1,  # a point is one place, no picture
                'channels': 2,  # its coordinates
                'fit': 'none',  # as it comes
                'flip': False,  # points have no mirror
                'placement': 'auto',  # data on the 'device', on the 'host', or by size
            },
            'optimizer': {
                'discriminator': {'learning_rate': 2e-3, 'b1': 0.0, 'b2': 0.99},
                'generator': {'learning_rate': 2e-3, 'b1': 0.0, 'b2': 0.99},
            },
            'gan': {
                'generator_units': 128,  # of each hidden layer
                'generator_layers': 3,  # hidden
                'discriminator_units': 128,  # of each hidden layer
                'discriminator_layers': 3,  # hidden
                'latent_dim': 2,  # numbers in z
                'latent': 'normal',  # normal, uniform, inverse_transform
                'loss': 'relativistic',  # see gan_jax/losses.py
                'spectral_norm': False,  # on D
                'critic_steps': 1,  # updates of D per update of G, each on a batch of its own
                'regularizer': 'r1',  # on D: none, r1, r2, gradient_penalty, drift
                'regularizer_weight': 0.03,  # gamma of R1 and R2, lambda of the gradient penalty
            },
            'deterministic': False,  # on GPUs: the same bits every time; see docs/reliability.md
            'compilation_cache': True,  # keep what XLA compiles in the user's cache folder
            'ema_half_life_kimg': 100.0,  # half-life of G's average in thousands of points; 0: off
            'on_nonfinite': 'stop',  # a loss or gradient that is not: 'stop' the run or 'skip' the step
            'watchdogs': {
                'replicas': True,  # compare the devices' copies of the state at every log and checkpoint
                'collapse_kimg': 500.0,  # warn of a player that is out of the game for so long; 0: never
                'stalled_input_seconds': 60.0,  # warn when the data have brought nothing for so long
            },
            'distributed': {  # several processes as one run; see README
                'coordinator': '',  # host:port of the first; auto: TPU pod, Slurm or Open MPI tell; '': alone
                'num_processes': 1,  # of all
                'process_id': 0,  # of this one
            },
            'log_every_steps': 500,
            'evaluate_every_steps': 2000,  # and at the end; 0: never
            'evaluation': {
                'metrics': ('modes',),  # the first tells which checkpoint is the best
                'network': 'points',  # none: points are their own features
                'weights': '',  # it has none
                'num_samples': 2500,  # as VEEGAN and PacGAN count them
                'split': 'train',  # of the reals
            },
            'sample_every_steps': 2000,
            'checkpoint_every_steps': 5000,
            'keep_checkpoints': 3,  # newest checkpoints kept
        }
    )
