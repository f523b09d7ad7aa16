"""Three gray pictures as the channels of one, and how many of their modes a generator covers."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

from gan_jax import loop
from gan_jax.base import UserError
from gan_jax.config import load_config
from gan_jax.data import stacked
from gan_jax.data.domains import open_domains
from gan_jax.data.source import open_images
from gan_jax.writers import read_records
from helpers import ROOT, small_config

CONFIG = str(ROOT / 'configs/dcgan_stacked_fashion_mnist.py')


def test_channels_are_gray_pictures_of_the_set():
    data = load_config(CONFIG, {'data.split': 'train[:50]'}).data
    (pictures,) = open_domains(data).values()
    gray = open_images(SimpleNamespace(**{**data, 'name': 'fashion_mnist_10k', 'channels': 1})).all_images()
    some = pictures.images([0, 7, len(pictures) - 1])
    assert some.shape == (3, *pictures.shape) == (3, 32, 32, 3)
    known = {picture.tobytes() for picture in gray}
    assert all(picture[..., channel].tobytes() in known for picture in some for channel in range(3))
    np.testing.assert_array_equal(pictures.images([7])[0], some[1])


def test_channels_are_drawn_independently(monkeypatch):
    monkeypatch.setattr(stacked, 'NUM_STACKED', 2000)
    data = load_config(CONFIG, {'data.split': 'train[:5]'}).data
    (pictures,) = open_domains(data).values()
    gray = pictures.gray.all_images()[..., 0]
    place = {picture.tobytes(): index for index, picture in enumerate(gray)}
    modes = [
        tuple(place[picture[..., channel].tobytes()] for channel in range(3))
        for picture in pictures.all_images()
    ]
    assert len(modes) == 2000
    assert len(set(modes)) == 5**3
    counts = np.unique(np.array(modes), axis=0, return_counts=True)[1]
    assert 2000 / 125 / 4 < counts.min() <= counts.max() < 2000 / 125 * 3


def test_a_run_counts_its_modes(tmp_path):
    given = {'data__name': 'stacked:fashion_mnist_10k', 'data__channels': 3, 'evaluate_every_steps': 4}
    evaluation = {'evaluation__network': 'stacked_cnn', 'evaluation__metrics': 'stacked'}
    size = {'data__resolution': 32, 'data__fit': 'pad', 'evaluation__num_samples': 40}
    config = small_config('dcgan', num_steps=4, steps_per_dispatch=4, **given, **evaluation, **size)
    loop.train(config, tmp_path, jax.local_devices()[:1])
    (record,) = (line for line in read_records(tmp_path / 'metrics.jsonl') if 'modes' in line)
    assert 1 <= record['modes'] <= 40
    assert record['reverse_kl'] >= 0


def test_a_stacked_set_has_three_channels():
    with pytest.raises(UserError, match=r"data.channels: got 1, takes 3 for 'stacked:fashion_mnist_10k'"):
        open_domains(load_config(CONFIG, {'data.channels': '1'}).data)
    with pytest.raises(UserError, match="'unknown' is not prepared in"):
        open_domains(load_config(CONFIG, {'data.name': 'stacked:unknown'}).data)
