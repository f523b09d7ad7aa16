"""What a batch is made of: the examples of one data set or, where a GAN translates, of two domains."""

from types import SimpleNamespace

from gan_jax import fields
from gan_jax.base import UserError
from gan_jax.data.points import MIXTURES, Points, open_points
from gan_jax.data.source import Images, open_images
from gan_jax.data.stacked import PREFIX, Stacked, open_stacked

DOMAINS = ('a', 'b')
FIELDS = {  # a value for each domain, or one for both
    'data.name': fields.Several(fields.text('the name of a TFDS data set'), most=2),
    'data.split': fields.Several(fields.text('a split, such as train or train[:10%]'), most=2),
    'evaluation.split': fields.Several(fields.text('a split, such as test or train[:10%]'), most=2),
    'data.invert': fields.Several(fields.flag(), most=2),
}


def domain_names(data) -> tuple[str, ...]:
    """The names that the images have in a batch, from `config.data`."""
    return ('image',) if isinstance(data.split, str) else DOMAINS


def example_shape(data) -> tuple[int, ...]:
    """Of an example by `config.data`: (H, W, C) of a picture, (2,) of a point, which has no sides."""
    size, channels = data.resolution, data.channels
    return (size, size, channels) if size > 1 else (channels,)


def open_domains(data, split=None, flag: str = '--config.data.split') -> dict[str, Images | Points | Stacked]:
    """Opens what `config.data` asks for, by its name in a batch; raises UserError.

    Args:
        data: `config.data`.
        split: in place of `data.split`; for each domain, or one for both.
        flag: where a person has it from, for messages.
    """
    split = split or data.split
    if isinstance(data.split, str):
        changed = SimpleNamespace(**{**data, 'split': split})
        return {'image': _open_one(changed, flag)}
    of_each = [fields.for_each(each, len(DOMAINS)) for each in (data.name, split, data.invert)]
    opened = {}
    for domain, name, split, invert in zip(DOMAINS, *of_each, strict=True):
        changed = SimpleNamespace(**{**data, 'name': name, 'split': split})
        opened[domain] = open_images(changed, invert, flag)
        if len(opened[domain]) == 1:
            raise UserError(f'{flag}: got {split!r}, a single picture; takes two or more')
    return opened


def _open_one(data, flag) -> Images | Points | Stacked:
    if data.name in MIXTURES:
        return open_points(data)
    if data.name.startswith(PREFIX):
        return open_stacked(data, flag)
    return open_images(data, split_flag=flag)
