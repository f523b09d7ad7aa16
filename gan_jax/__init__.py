"""Functional GAN training in pure JAX."""
