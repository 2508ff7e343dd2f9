"""The parts that no right port computes, in NumPy: arrays NHWC float64 in and out."""
