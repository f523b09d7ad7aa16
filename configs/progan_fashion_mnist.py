"""Progressive Growing of GANs on Fashion-MNIST, 4 x 4 to 32 x 32 pixels.

    python train.py --config=configs/progan_fashion_mnist.py --workdir=runs/progan_fashion_mnist

The paper's method with small networks, so that two CPU cores are enough: 4 min 26 s with nothing compiled
before, where they have AVX-512, and 11 min 38 s on slower ones with AVX2. In `growth.png` 4 pixels are
blobs, 8 and 16 garments' outlines, 32 garments, many of them torn.
"""

from ml_collections import ConfigDict


def get_config():
    """Every field of the run, with its unit."""
    return ConfigDict(
        {
            'system': 'progan',  # the file in gan_jax/gans
            'seed': 0,  # all randomness of the run
            'batch_size': 0,  # the most examples in a step, over all devices; 0: as gan.batch_sizes has it
            'num_steps': 0,  # the most steps; 0: to the end of the schedule
            'steps_per_dispatch': 25,  # updates in one call of the device
            'dtype': 'float32',  # compute; parameters are float32 throughout
            'data': {
                'name': 'fashion_mnist_10k',  # TFDS name
                'data_dir': '',  # '': embedded in the package, else TFDS's own folder
                'split': 'train',
                'resolution': 32,  # pixels; a whole number of times gan.resolution
                'channels': 1,
                'fit': 'pad',  # 'crop' to a square and resize, or 'pad' with black
                'flip': False,  # mirror at random
                'placement': 'auto',  # data on the 'device', on the 'host', or by size
            },
            'optimizer': {
                'discriminator': {'learning_rate': 1e-3, 'b1': 0.0, 'b2': 0.99},
                'generator': {'learning_rate': 1e-3, 'b1': 0.0, 'b2': 0.99},
            },
            'gan': {
                'resolution': 32,  # pixels to grow to, from 4
                'latent_dim': 64,  # numbers in z
                'latent': 'normal',  # normal, uniform, inverse_transform
                'feature_base': 256,  # a level's maps: half of it at 4 pixels, halved at each level, but
                'max_features': 64,  # not more than this
                'fused_scale': True,  # doubling and halving within the convolutions
                'stddev_group': 4,  # images that the minibatch standard deviation compares
                'loss': 'wasserstein',  # see gan_jax/losses.py
                'gradient_penalty_weight': 10.0,  # lambda
                'gradient_penalty_target': 1.0,  # norm of D's gradient
                'drift_weight': 0.001,  # on D(real) squared
                'critic_steps': 1,  # updates of D per update of G, each on a batch of its own
                # Of each level, 4, 8, 16, 32 pixels; one number stands for all of them.
                'settle_kimg': (15.0, 10.0, 10.0, 30.0),  # thousands of images as it is
                'fade_kimg': (8.0,),  # thousands of images while it fades in; 4 does not
                'batch_sizes': (16,),  # examples of a step
                'learning_rate_factors': (1.0,),  # of the optimizers' rates
            },
            'deterministic': False,  # on GPUs: the same bits every time; see docs/reliability.md
            'compilation_cache': True,  # keep what XLA compiles in the user's cache folder
            'ema_half_life_kimg': 2.0,  # half-life of G's average at the last level's batch size; 0: off
            'on_nonfinite': 'skip',  # a loss or gradient that is not: 'stop' the run or 'skip' the step
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
            'evaluate_every_steps': 1000,  # and at the end; 0: never
            'evaluation': {
                'metrics': ('fd', 'kid', 'pr'),  # the first tells which checkpoint is the best
                'network': 'small_cnn',  # small_cnn for gray; efficientnet_lite0, inception_v3
                'weights': '',  # their file; '': from a package
                'num_samples': 10_000,  # fakes, at most
                'split': 'train',  # of the reals
            },
            'sample_every_steps': 500,
            'checkpoint_every_steps': 500,
            'keep_checkpoints': 3,  # newest checkpoints kept
        }
    )
