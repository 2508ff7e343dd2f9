"""The forward pass made fast: the same equations as `reference.ops`, ordered so that the work stays in the processor's caches.

`reference.ops` is the definition, and `reference.forward.apply` evaluates it layer by layer. This package is its only second
version: blocking, reuse of buffers, threads and algebraic rearrangement are here and nowhere else. tests/test_fast.py holds it
against the definition: equal on integers, within both roundings' bounds elsewhere. What it rearranges:

- taps that meet padding at every position of a window are left out                                   (conv.py)
- a convolution of an enlarged image takes the image's own rows, with the interpolation in its kernel  (resized_conv.py)
- the LRN window's sum is a band matrix product in blocks of channels; d^¾ is √d·√√d                   (lrn.py)
- pooling takes maxima of rows first, then of columns; a ReLU before it comes after it                 (pool.py, network.py)
- images pass from convolution to convolution, so many at a time as suit it, on threads                (network.py)
- a dense layer reads its weights once for many images, and threads share it by its inputs             (dense.py)
"""

from reference.fast.blas import one_thread_each
from reference.fast.network import Network, prepare

__all__ = ["Network", "one_thread_each", "prepare"]
