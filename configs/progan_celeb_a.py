"""Progressive Growing of GANs on CelebA, 4 x 4 to 128 x 128 pixels, with the authors' sizes for one GPU.

    python train.py --config=configs/progan_celeb_a.py --workdir=runs/progan_celeb_a \
        --config.data.data_dir=DIR

DIR holds TFDS's `celeb_a`, prepared once with
`tfds build celeb_a --data_dir=DIR --file_format=array_record`,
which needs TensorFlow (`pip install tensorflow-cpu`); training does not. Made for one GPU;
not yet measured.
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
            'steps_per_dispatch': 10,  # updates in one call of the device
            'dtype': 'float32',  # compute; parameters are float32 throughout
            'data': {
                'name': 'celeb_a',  # TFDS name
                'data_dir': '',  # '': embedded in the package, else TFDS's own folder
                'split': 'train',
                'resolution': 128,  # pixels; a whole number of times gan.resolution
                'channels': 3,
                'fit': 'crop',  # 'crop' to a square and resize, or 'pad' with black
                'flip': True,  # mirror at random
                'placement': 'auto',  # data on the 'device', on the 'host', or by size
            },
            'optimizer': {
                'discriminator': {'learning_rate': 1e-3, 'b1': 0.0, 'b2': 0.99},
                'generator': {'learning_rate': 1e-3, 'b1': 0.0, 'b2': 0.99},
            },
            'gan': {
                'resolution': 128,  # pixels to grow to, from 4
                'latent_dim': 512,  # numbers in z
                'latent': 'normal',  # normal, uniform, inverse_transform
                'feature_base': 8192,  # a level's maps: half of it at 4 pixels, halved at each level, but
                'max_features': 512,  # not more than this
                'fused_scale': True,  # doubling and halving within the convolutions
                'stddev_group': 4,  # images that the minibatch standard deviation compares
                'loss': 'wasserstein',  # see gan_jax/losses.py
                'gradient_penalty_weight': 10.0,  # lambda
                'gradient_penalty_target': 1.0,  # norm of D's gradient
                'drift_weight': 0.001,  # on D(real) squared
                'critic_steps': 1,  # updates of D per update of G, each on a batch of its own
                # Of each level, 4, 8, …, 128 pixels; one number stands for all of them.
                'settle_kimg': (600.0,),  # thousands of images as it is
                'fade_kimg': (600.0,),  # thousands of images while it fades in; 4 does not
                'batch_sizes': (128, 128, 128, 64, 32, 16),  # examples of a step
                'learning_rate_factors': (1.0,),  # of the optimizers' rates
            },
            'deterministic': False,  # on GPUs: the same bits every time; see docs/reliability.md
            'compilation_cache': True,  # keep what XLA compiles in the user's cache folder
            'ema_half_life_kimg': 11.0848,  # of G's average at the last level: 0.999 a step at each; 0: off
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
            'evaluate_every_steps': 0,  # and at the end; 0: never
            'evaluation': {
                'metrics': ('fd', 'kid', 'pr'),  # the first tells which checkpoint is the best
                'network': 'efficientnet_lite0',  # small_cnn for gray; efficientnet_lite0, inception_v3
                'weights': '',  # their file; '': from a package
                'num_samples': 10_000,  # fakes, at most
                'split': 'train',  # of the reals
            },
            'sample_every_steps': 2000,
            'checkpoint_every_steps': 2000,
            'keep_checkpoints': 3,  # newest checkpoints kept
        }
    )
