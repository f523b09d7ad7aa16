"""CycleGAN between Fashion-MNIST and its negatives, 32 x 32 pixels: a short run that shows it translating.

    python train.py --config=configs/cyclegan_fashion_mnist.py --workdir=runs/cyclegan_fashion_mnist

The two domains are different garments, so that no picture has a pair. 1 min 8 s on two CPU cores with
AVX-512, compilation included; backgrounds and most garments come out inverted, and back, blurred and with a
fine grid over them.
"""

from ml_collections import ConfigDict


def get_config():
    """Every field of the run, with its unit."""
    return ConfigDict(
        {
            'system': 'cyclegan',  # the file in gan_jax/gans
            'seed': 0,  # all randomness of the run
            'batch_size': 8,  # pictures of each domain in a step, over all devices
            'num_steps': 0,  # the most steps; 0: to the end of the rate's schedule
            'steps_per_dispatch': 10,  # updates in one call of the device
            'dtype': 'float32',  # compute; parameters are float32 throughout
            'data': {
                # Of domains A and B; one value stands for both.
                'name': ('fashion_mnist_10k',),  # TFDS name
                'split': ('train[:50%]', 'train[50%:]'),
                'invert': (False, True),  # as negatives
                'data_dir': '',  # '': embedded in the package, else TFDS's own folder
                'resolution': 32,  # pixels
                'load_resolution': 32,  # pixels that those are enlarged to, for a random cut
                'channels': 1,
                'fit': 'pad',  # 'crop' to a square and resize, or 'pad' with black
                'flip': False,  # mirror at random
                'placement': 'auto',  # data on the 'device', on the 'host', or by size
            },
            'optimizer': {
                'discriminator': {'learning_rate': 2e-4, 'b1': 0.5, 'b2': 0.999},
                'generator': {'learning_rate': 2e-4, 'b1': 0.5, 'b2': 0.999},
            },
            'gan': {
                'generator_width': 16,  # channels at full size
                'residual_blocks': 2,  # 9 in the paper from 256 pixels on, 6 below
                'discriminator_width': 32,  # channels of D's first map
                'discriminator_layers': 2,  # that halve; 3 see patches of 70 pixels
                'remat': False,  # compute a block's inside again for its gradient: less memory, more time
                'loss': 'least_squares',  # see gan_jax/losses.py
                'cycle_weight': 10.0,  # of the way there and back
                'identity_weight': 5.0,  # of what is of the target domain already
                'pool_size': 50,  # fakes of each domain to show D again; 0: none
                'constant_kimg': 2.0,  # thousands of pictures at the full rate
                'decay_kimg': 2.0,  # and then while it falls to 0
            },
            'deterministic': False,  # on GPUs: the same bits every time; see docs/reliability.md
            'compilation_cache': True,  # keep what XLA compiles in the user's cache folder
            'ema_half_life_kimg': 0.0,  # half-life of G's average, in thousands of pictures; 0: off
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
            'evaluate_every_steps': 500,  # and at the end; 0: never
            'evaluation': {
                'metrics': ('fd', 'kid', 'pr'),  # the first tells which checkpoint is the best
                'network': 'small_cnn',  # small_cnn for gray; efficientnet_lite0, inception_v3
                'weights': '',  # their file; '': from a package
                'num_samples': 10_000,  # fakes, at most
                'split': ('test[:50%]', 'test[50%:]'),  # of the reals
            },
            'sample_every_steps': 250,
            'checkpoint_every_steps': 500,
            'keep_checkpoints': 3,  # newest checkpoints kept
        }
    )
