"""Pictures without TensorFlow, in an order that is a pure function of the seed and the position."""
