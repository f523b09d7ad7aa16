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


class StageClock:
    """What a thousand images of a stage cost, the compilation of its step included."""

    def __init__(self, first_image: int, compile_seconds: float, clock=time.perf_counter):
        self.first_image, self.clock = first_image, clock
        self.started = clock() - compile_seconds  # it has run beside the stage before

    def seconds_per_kimg(self, last_image: int) -> float:
        """From the first image on."""
        return (self.clock() - self.started) / (last_image - self.first_image) * 1000
