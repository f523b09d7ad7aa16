"""CycleGAN between horses (A) and zebras (B), 256 x 256 pixels: the authors' run.

    python train.py --config=configs/cyclegan_horse2zebra.py --workdir=runs/cyclegan_horse2zebra \
        --config.data.data_dir=DIR

DIR holds the TFDS data set, 1,067 and 1,334 pictures; once: `pip install tensorflow-cpu`, then `tfds build
cycle_gan/horse2zebra --data_dir=DIR --file_format=array_record`. 100 epochs at the full rate and 100 while it
falls to zero, an epoch being one pass over the larger domain. For a GPU; not trained yet.
"""

from ml_collections import ConfigDict


def get_config():
    """Every field of the run, with its unit."""
    return ConfigDict(
        {
            'system': 'cyclegan',  # the file in gan_jax/gans
            'seed': 0,  # all randomness of the run
            'batch_size': 1,  # pictures of each domain in a step, over all devices
            'num_steps': 0,  # the most steps; 0: to the end of the rate's schedule
            'steps_per_dispatch': 10,  # updates in one call of the device
            'dtype': 'float32',  # compute; parameters are float32 throughout
            'data': {
                # Of domains A and B; one value stands for both.
                'name': ('cycle_gan/horse2zebra',),  # TFDS name
                'split': ('trainA', 'trainB'),
                'invert': (False,),  # as negatives
                'data_dir': '',  # '': embedded in the package, else TFDS's own folder
                'resolution': 256,  # pixels
                'load_resolution': 286,  # pixels that those are enlarged to, for a random cut
                'channels': 3,
                'fit': 'crop',  # 'crop' to a square and resize, or 'pad' with black
                'flip': True,  # mirror at random
                'placement': 'auto',  # data on the 'device', on the 'host', or by size
            },
            'optimizer': {
                'discriminator': {'learning_rate': 2e-4, 'b1': 0.5, 'b2': 0.999},
                'generator': {'learning_rate': 2e-4, 'b1': 0.5, 'b2': 0.999},
            },
            'gan': {
                'generator_width': 64,  # channels at full size
                'residual_blocks': 9,  # 9 in the paper from 256 pixels on, 6 below
                'discriminator_width': 64,  # channels of D's first map
                'discriminator_layers': 3,  # that halve; 3 see patches of 70 pixels
                'remat': False,  # compute a block's inside again for its gradient: less memory, more time
                'loss': 'least_squares',  # see gan_jax/losses.py
                'cycle_weight': 10.0,  # of the way there and back
                'identity_weight': 5.0,  # of what is of the target domain already
                'pool_size': 50,  # fakes of each domain to show D again; 0: none
                'constant_kimg': 133.4,  # thousands of pictures at the full rate
                'decay_kimg': 133.4,  # and then while it falls to 0
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
            'log_every_steps': 100,
            'evaluate_every_steps': 0,  # and at the end; 0: never
            'evaluation': {
                'metrics': ('fd', 'kid', 'pr'),  # the first tells which checkpoint is the best
                'network': 'efficientnet_lite0',  # small_cnn for gray; efficientnet_lite0, inception_v3
                'weights': '',  # their file; '': from a package
                'num_samples': 10_000,  # fakes, at most
                'split': ('testA', 'testB'),  # of the reals
            },
            'sample_every_steps': 2000,
            'checkpoint_every_steps': 5000,
            'keep_checkpoints': 3,  # newest checkpoints kept
        }
    )
