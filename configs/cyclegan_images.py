"""CycleGAN between your own two folders of pictures, 64 x 64 in colour.

    python -m gan_jax.prepare pair DIR_A DIR_B --name=mine --resolution=64 --data_dir=data
    python train.py --config=configs/cyclegan_images.py --workdir=runs/cyclegan_images \
        --config.data.data_dir=data

`prepare` prints the command for other sizes. Small networks, for two CPU cores, as in cyclegan_emoji.py;
those of the paper, for 256 pixels and a GPU, are in cyclegan_horse2zebra.py, which takes
--config.data.name=mine, too.
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
            'steps_per_dispatch': 20,  # updates in one call of the device
            'dtype': 'float32',  # compute; parameters are float32 throughout
            'data': {
                # Of domains A and B; one value stands for both.
                'name': ('mine',),  # what --name of `prepare` was
                'split': ('trainA', 'trainB'),
                'invert': (False,),  # as negatives
                'data_dir': '',  # '': embedded in the package, else TFDS's own folder
                'resolution': 64,  # pixels
                'load_resolution': 72,  # pixels that those are enlarged to, for a random cut
                'channels': 3,
                'fit': 'crop',  # 'crop' to a square and resize, or 'pad' with black
                'flip': True,  # mirror at random; not for what is written
                'placement': 'auto',  # data on the 'device', on the 'host', or by size
            },
            'optimizer': {
                'discriminator': {'learning_rate': 2e-4, 'b1': 0.5, 'b2': 0.999},
                'generator': {'learning_rate': 2e-4, 'b1': 0.5, 'b2': 0.999},
            },
            'gan': {
                'generator_width': 32,  # channels at full size
                'residual_blocks': 4,  # 9 in the paper from 256 pixels on, 6 below
                'discriminator_width': 32,  # channels of D's first map
                'discriminator_layers': 2,  # that halve; 3 see patches of 70 pixels
                'remat': False,  # compute a block's inside again for its gradient: less memory, more time
                'loss': 'least_squares',  # see gan_jax/losses.py
                'cycle_weight': 10.0,  # of the way there and back
                'identity_weight': 5.0,  # of what is of the target domain already
                'pool_size': 50,  # fakes of each domain to show D again; 0: none
                'constant_kimg': 2.5,  # thousands of pictures at the full rate
                'decay_kimg': 2.5,  # and then while it falls to 0
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
            'sample_every_steps': 1000,
            'checkpoint_every_steps': 1000,
            'keep_checkpoints': 3,  # newest checkpoints kept
        }
    )
