"""How many images both sides of a benchmark draw from."""

NUM_EXAMPLES = 4096
MOST_BYTES = 2**28  # that they take


def num_examples(resolution: int, channels: int, batch_size: int) -> int:
    """Of uint8 images [resolution, resolution, channels], a batch at least."""
    return max(min(NUM_EXAMPLES, MOST_BYTES // (resolution**2 * channels)), batch_size)
