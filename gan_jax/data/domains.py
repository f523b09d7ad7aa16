"""What a batch is made of: the examples of one data set or, where a GAN translates, of two domains."""

from types import SimpleNamespace

from gan_jax import fields
from gan_jax.base import UserError
from gan_jax.data.points import Points, open_points
from gan_jax.data.source import Images, open_images

DOMAINS = ('a', 'b')
FIELDS = {  # a value for each domain, or one for both
    'data.name': fields.Several(fields.text('the name of a TFDS data set'), most=2),
    'data.split': fields.Several(fields.text('a split, such as train or train[:10%]'), most=2),
    'data.invert': fields.Several(fields.flag(), most=2),
}


def domain_names(data) -> tuple[str, ...]:
    """The names that the images have in a batch, from `config.data`."""
    return ('image',) if isinstance(data.split, str) else DOMAINS


def example_shape(data) -> tuple[int, ...]:
    """Of an example by `config.data`: (H, W, C) of a picture, (2,) of a point, which has no sides."""
    size, channels = data.resolution, data.channels
    return (size, size, channels) if size > 1 else (channels,)


def open_domains(data) -> dict[str, Images | Points]:
    """Opens what `config.data` asks for, by its name in a batch; raises UserError."""
    if isinstance(data.split, str):
        return {'image': open_images(data) if len(example_shape(data)) == 3 else open_points(data)}
    of_each = [fields.for_each(data[name], len(DOMAINS)) for name in ('name', 'split', 'invert')]
    opened = {}
    for domain, name, split, invert in zip(DOMAINS, *of_each, strict=True):
        opened[domain] = open_images(SimpleNamespace(**{**data, 'name': name, 'split': split}), invert)
        if len(opened[domain]) == 1:
            raise UserError(f'--config.data.split: got {split!r}, a single picture; takes two or more')
    return opened
