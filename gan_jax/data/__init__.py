"""Pictures without TensorFlow, and points; their order is a pure function of the seed and the position."""
