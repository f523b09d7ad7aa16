"""Trains a GAN: python train.py --config=configs/dcgan_fashion_mnist.py --workdir=runs/a --config.seed=1"""

from gan_jax.train import command, main

__all__ = ['main']

if __name__ == '__main__':
    command()
