"""How fast a run is, and what share of its time it waits for data."""

import contextlib
import time


class Stopwatch:
    """Counts images and waiting between two readings; the first dispatch, which compiles, is left out."""

    def __init__(self, clock=time.perf_counter):
        self.clock = clock
        self.is_running = False

    def count(self, images: int) -> None:
        """A dispatch of `images` reals has been given to the devices."""
        if self.is_running:
            self.images += images
        else:
            self.restart()

    def restart(self) -> None:
        """Begins a new reading."""
        self.is_running, self.started, self.images, self.waited = True, self.clock(), 0, 0.0

    @contextlib.contextmanager
    def waiting(self):
        """Around whatever waits for data."""
        started = self.clock()
        yield
        if self.is_running:
            self.waited += self.clock() - started

    def read(self) -> dict[str, float]:
        """`images_per_second` and `data_wait_fraction` since the restart; {} if no dispatch came since."""
        seconds = self.clock() - self.started
        return (
            {
                'images_per_second': self.images / seconds,
                'data_wait_fraction': self.waited / seconds,
            }
            if self.images
            else {}
        )
