"""The original GAN on the embedded Fashion-MNIST subset, as the authors ran it on MNIST.

python train.py --config=configs/gan_fashion_mnist.py --workdir=runs/gan_fashion_mnist

5 min 39 s on two CPU cores with AVX-512, to a grid of garments, speckled as an MLP paints them.
"""

from ml_collections import ConfigDict


def get_config():
    """Every field of the run, with its unit."""
    sgd = {
        'learning_rate': 0.1,
        'decay_factor': 1.000004,  # the rate is divided by it at each update
        'min_learning_rate': 1e-6,
        'momentum': 0.5,  # at the first update
        'final_momentum': 0.7,
        'momentum_kimg': 12_500.0,  # thousands of images until then: 250 epochs of 50,000
    }
    return ConfigDict(
        {
            'system': 'gan',  # the file in gan_jax/gans
            'seed': 0,  # all randomness of the run
            'batch_size': 100,  # examples, over all devices
            'num_steps': 20_000,  # generator updates
            'steps_per_dispatch': 50,  # updates in one call of the device
            'dtype': 'float32',  # compute; parameters are float32 throughout
            'data': {
                'name': 'fashion_mnist_10k',  # TFDS name
                'data_dir': '',  # '': embedded in the package, else TFDS's own folder
                'split': 'train',
                'resolution': 28,  # pixels
                'channels': 1,
                'fit': 'crop',  # 'crop' to a square and resize, or 'pad' with black
                'flip': False,  # mirror at random
                'placement': 'auto',  # data on the 'device', on the 'host', or by size
            },
            'optimizer': {'discriminator': dict(sgd), 'generator': dict(sgd)},
            'gan': {
                'generator_units': 1200,  # of each hidden layer
                'discriminator_units': 240,  # of each maxout layer
                'maxout_pieces': 5,
                'keep_pixels': 0.8,  # dropout on D's input: the share that stays
                'keep_hidden': 0.5,  # and on the inputs of its other layers
                'latent_dim': 100,  # numbers in z
                'latent': 'normal',  # normal, uniform, inverse_transform
                'loss': 'non_saturating',  # see gan_jax/losses.py
                'spectral_norm': False,  # on D
                'critic_steps': 1,  # updates of D per update of G, each on a batch of its own
                'regularizer': 'none',  # on D: none, r1, r2, gradient_penalty, drift
                'regularizer_weight': 0.0,  # gamma of R1 and R2 (10), lambda of the gradient penalty (10)
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
            'log_every_steps': 200,
            'evaluate_every_steps': 5000,  # and at the end; 0: never
            'evaluation': {
                'metrics': ('fd', 'kid', 'pr'),  # the first tells which checkpoint is the best
                'network': 'small_cnn',  # small_cnn for gray; efficientnet_lite0, inception_v3
                'weights': '',  # their file; '': from a package
                'num_samples': 10_000,  # fakes, at most
                'split': 'train',  # of the reals
            },
            'sample_every_steps': 2000,
            'checkpoint_every_steps': 2000,
            'keep_checkpoints': 3,  # newest checkpoints kept
        }
    )
