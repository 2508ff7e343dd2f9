"""Each layer's equation as a few lines of NumPy, for the script that reproduces a failure without this tool."""

from __future__ import annotations

from typing import assert_never

from reference import LRN, Conv, Dense, Dropout, Flatten, Layer, MaxPool, ReLU, Resize, Softmax
from reference.padding import Padding, pad_widths

_ACTIVATION = {None: "y", "relu": "np.maximum(y, 0)", "softmax": "softmax(y)"}
_SOFTMAX = """def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
"""


def equation(layer: Layer, shape: tuple[int, ...]) -> str:
    """Return the source of `def layer(x, params)` for x (N, *shape), float64; `np` is NumPy, params has kernel and bias."""
    helper = _SOFTMAX + "\n\n" if isinstance(layer, Dense) and layer.activation == "softmax" else ""
    lines = "\n".join(f"    {line}" for line in _body(layer, shape))
    return f"{helper}def layer(x, params):\n{lines}\n"


def _body(layer: Layer, shape: tuple[int, ...]) -> list[str]:
    match layer:
        case Conv(kernel_size=(p, q), strides=(s, t), padding=padding, activation=activation):
            return [
                *_padded(shape, (p, q), (s, t), padding, "0.0"),
                f"windows = np.lib.stride_tricks.sliding_window_view(x, ({p}, {q}), axis=(1, 2))[:, ::{s}, ::{t}]",
                'y = np.einsum("nijcpq,pqco->nijo", windows, params["kernel"], optimize=True) + params["bias"]',
                f"return {_ACTIVATION[activation]}",
            ]
        case Dense(activation=activation):
            return ['y = x @ params["kernel"] + params["bias"]', f"return {_ACTIVATION[activation]}"]
        case LRN(depth_radius=radius, bias=bias, alpha=alpha, beta=beta):
            return [
                "i = np.arange(x.shape[-1])",
                f"window = np.abs(i[:, None] - i) <= {radius}  # depth_radius to each side",
                f"return x / ({bias!r} + {alpha!r} * (x**2 @ window)) ** {beta!r}  # alpha is not divided by the window",
            ]
        case MaxPool(pool_size=(p, q), strides=(s, t), padding=padding):
            return [
                *_padded(shape, (p, q), (s, t), padding, "-np.inf"),
                f"windows = np.lib.stride_tricks.sliding_window_view(x, ({p}, {q}), axis=(1, 2))[:, ::{s}, ::{t}]",
                "return windows.max(axis=(-2, -1))",
            ]
        case Resize(height=height, width=width):
            return [
                "def weights(n, o):  # of pixel k in output i: half-pixel centres",
                "    u = np.clip((np.arange(o) + 0.5) * n / o - 0.5, 0, n - 1)",
                "    return np.maximum(0.0, 1.0 - np.abs(u[:, None] - np.arange(n)))",
                "",
                f"rows, columns = weights(x.shape[1], {height}), weights(x.shape[2], {width})",
                'return np.einsum("ih,nhwc,jw->nijc", rows, x, columns, optimize=True)',
            ]
        case ReLU():
            return ["return np.maximum(x, 0)"]
        case Softmax():
            return ["e = np.exp(x - x.max(axis=-1, keepdims=True))", "return e / e.sum(axis=-1, keepdims=True)"]
        case Flatten():
            return ["return x.reshape(len(x), -1)  # rows slowest, channels fastest"]
        case Dropout():
            return ["return x  # at inference"]
        case _:
            assert_never(layer)


def _padded(shape: tuple[int, ...], window: tuple[int, int], strides: tuple[int, int], padding: Padding, value: str) -> list[str]:
    rows, columns = (pad_widths(n, k, s, padding) for n, k, s in zip(shape[:2], window, strides, strict=True))
    if rows == columns == (0, 0):
        return []
    return [f"x = np.pad(x, ((0, 0), {rows}, {columns}, (0, 0)), constant_values={value})  # {padding}: (before, after)"]
