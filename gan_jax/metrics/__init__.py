"""How far apart two sets of pictures are, and how much of one the other covers: pure functions."""
