"""DCGAN on three garments at once, one in each colour, as stacked MNIST has digits: 1,000 modes to cover.

    python train.py --config=configs/dcgan_stacked_fashion_mnist.py --workdir=runs/dcgan_stacked_fashion_mnist

9 min 48 s on two CPU cores with AVX-512, a larger run beside, to some 990 of the modes (docs/results.md).
A classifier of garments looks at each channel of a picture; the three classes together are its mode. Stacked
MNIST itself, for which the papers have their figures: --config.data.name=stacked:mnist, with the weights of a
classifier of digits (`python -m gan_jax.metrics.train_small_cnn --name=mnist --data_dir=DIR
--out=digits.npz`) as --config.evaluation.weights=digits.npz.
"""

from ml_collections import ConfigDict


def get_config():
    """Every field of the run, with its unit."""
    return ConfigDict(
        {
            'system': 'dcgan',  # the file in gan_jax/gans
            'seed': 0,  # all randomness of the run
            'batch_size': 64,  # examples, over all devices
            'num_steps': 6000,  # generator updates
            'steps_per_dispatch': 10,  # updates in one call of the device
            'dtype': 'float32',  # compute; parameters are float32 throughout
            'data': {
                'name': 'stacked:fashion_mnist_10k',  # three pictures of this TFDS data set as channels
                'data_dir': '',  # '': embedded in the package, else TFDS's own folder
                'split': 'train',
                'resolution': 32,  # pixels
                'channels': 3,
                'fit': 'pad',  # 'crop' to a square and resize, or 'pad' with black
                'flip': False,  # mirror at random
                'placement': 'auto',  # data on the 'device', on the 'host', or by size
            },
            'optimizer': {
                'discriminator': {'learning_rate': 2e-4, 'b1': 0.5, 'b2': 0.999},
                'generator': {'learning_rate': 2e-4, 'b1': 0.5, 'b2': 0.999},
            },
            'gan': {
                'width': 32,  # channels of D's first layer
                'latent_dim': 100,  # numbers in z
                'latent': 'normal',  # normal, uniform, inverse_transform
                'loss': 'non_saturating',  # see gan_jax/losses.py
                'critic_steps': 1,  # updates of D per update of G, each on a batch of its own
                'regularizer': 'none',  # on D: none, r1, r2, gradient_penalty, drift
                'regularizer_weight': 0.0,  # gamma of R1 and R2 (10), lambda of the gradient penalty (10)
                'spectral_norm': False,  # on D
            },
            'deterministic': False,  # on GPUs: the same bits every time; see docs/reliability.md
            'compilation_cache': True,  # keep what XLA compiles in the user's cache folder
            'ema_half_life_kimg': 5.0,  # half-life of G's average in thousands of images; 0: off
            'on_nonfinite': 'stop',  # a loss or gradient that is not: 'stop' the run or 'skip' the step
            'watchdogs': {
                'replicas': True,  # compare the devices' copies of the state at every log and checkpoint
                'collapse_kimg': 50.0,  # warn of a player that is out of the game for so long; 0: never
                'stalled_input_seconds': 60.0,  # warn when the data have brought nothing for so long
            },
            'distributed': {  # several processes as one run; see README
                'coordinator': '',  # host:port of the first; auto: TPU pod, Slurm or Open MPI tell; '': alone
                'num_processes': 1,  # of all
                'process_id': 0,  # of this one
            },
            'log_every_steps': 50,
            'evaluate_every_steps': 3000,  # and at the end; 0: never
            'evaluation': {
                'metrics': ('stacked',),  # the first tells which checkpoint is the best
                'network': 'stacked_cnn',  # the classifier of each channel
                'weights': '',  # their file; '': from a package
                'num_samples': 26_000,  # fakes, as PacGAN counts them
                'split': 'train',  # of the reals
            },
            'sample_every_steps': 1000,
            'checkpoint_every_steps': 1000,
            'keep_checkpoints': 3,  # newest checkpoints kept
        }
    )
