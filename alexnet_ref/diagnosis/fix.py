"""The line that puts a layer right, in the words of the framework that the port is written in."""

from __future__ import annotations

from typing import Literal, assert_never

from alexnet_ref.candidates.step import Framework
from reference import LRN, Conv, Dense, Dropout, Flatten, Layer, MaxPool, ReLU, Resize, Softmax
from reference.padding import pad_widths


def fix_of(mistake: str, line: str) -> str:
    """Return what puts this mistake right: the layer's line, unless what is wrong is not how the layer is written."""
    match mistake.partition(".")[0]:
        case "input":
            return "Feed it the document's images as they are: nothing is done to them before the first layer."
        case "precision":
            return "Compute it in float32, and keep its weights and its result in float32."
        case _:
            return line


def right_line(layer: Layer, shape: tuple[int, ...], framework: Framework) -> str:
    """Return how this layer is written rightly when fed (H, W, C) or (features,)."""
    match framework:
        case "keras":
            return f"Write it as {_keras(layer)}."
        case "torch":
            return f"Write it as {_torch(layer, shape)}."
        case "onnx":
            return f"Write it as {_onnx(layer, shape)}."
        case "":
            return ""
        case _:
            assert_never(framework)


def _keras(layer: Layer) -> str:
    match layer:
        case Resize(height=height, width=width):
            return f'keras.layers.Resizing({height}, {width}, interpolation="bilinear")'
        case Conv(filters=filters, kernel_size=size, strides=strides, padding=padding, activation=activation):
            behind = f", activation={activation!r}" if activation else ""
            return f'keras.layers.Conv2D({filters}, {size}, strides={strides}, padding="{padding.lower()}"{behind})'
        case LRN(depth_radius=radius, bias=bias, alpha=alpha, beta=beta):
            return (
                f"tf.nn.local_response_normalization(x, depth_radius={radius}, bias={bias:g}, alpha={alpha:.10g}, beta={beta:g})"
            )
        case ReLU():
            return 'keras.layers.Activation("relu")'
        case MaxPool(pool_size=size, strides=strides, padding=padding):
            return f'keras.layers.MaxPooling2D({size}, strides={strides}, padding="{padding.lower()}")'
        case Dropout(rate=rate):
            return f"keras.layers.Dropout({rate:g}), the rate to drop"
        case Flatten():
            return "keras.layers.Flatten() on (H, W, C)"
        case Dense(units=units, activation=activation):
            return f"keras.layers.Dense({units}{f', activation={activation!r}' if activation else ''})"
        case Softmax():
            return "keras.layers.Softmax()"
        case _:
            assert_never(layer)


def _torch(layer: Layer, shape: tuple[int, ...]) -> str:
    match layer:
        case Resize(height=height, width=width):
            return f'F.interpolate(x, size=({height}, {width}), mode="bilinear", align_corners=False)'
        case Conv(filters=filters, kernel_size=size, strides=strides, activation=activation):
            (above, below), (left, right) = _pads(layer.kernel_size, layer.strides, layer.padding, shape)
            behind = ", then ReLU" if activation else ""
            if (above, left) == (below, right):
                return f"nn.Conv2d({shape[-1]}, {filters}, {size}, stride={strides}, padding=({above}, {left})){behind}"
            before = f"F.pad(x, ({left}, {right}, {above}, {below}))"
            return f"{before} before nn.Conv2d({shape[-1]}, {filters}, {size}, stride={strides}){behind}"
        case LRN(bias=bias, beta=beta):
            # PyTorch divides alpha by the size: what TensorFlow calls alpha is its alpha/size.
            alpha = layer.alpha * layer.window
            return f"torch.nn.LocalResponseNorm(size={layer.window}, alpha={alpha:.10g}, beta={beta:g}, k={bias:g})"
        case ReLU():
            return "F.relu(x)"
        case MaxPool(pool_size=size, strides=strides, padding=padding):
            (above, below), (left, right) = _pads(size, strides, padding, shape)
            before = (
                f"F.pad(x, ({left}, {right}, {above}, {below}), value=-torch.inf) before " if above + below + left + right else ""
            )
            return f"{before}nn.MaxPool2d({size}, stride={strides}, ceil_mode=False)"
        case Dropout(rate=rate):
            return f"nn.Dropout(p={rate:g}), the probability to drop"
        case Flatten():
            return "torch.flatten(x.permute(0, 2, 3, 1), 1), or permute the rows of the next kernel from (H, W, C) to (C, H, W)"
        case Dense(units=units, activation=activation):
            return f"nn.Linear({shape[-1]}, {units})" + (f", then {activation}" if activation else "")
        case Softmax():
            return "torch.softmax(x, dim=-1)"
        case _:
            assert_never(layer)


def _onnx(layer: Layer, shape: tuple[int, ...]) -> str:
    match layer:
        case Resize(height=height, width=width):
            return f'Resize to {height}×{width} with mode="linear", coordinate_transformation_mode="half_pixel"'
        case Conv(kernel_size=size, strides=strides, activation=activation):
            (above, below), (left, right) = _pads(layer.kernel_size, layer.strides, layer.padding, shape)
            behind = ", then Relu" if activation else ""
            pads = f"pads=[{above}, {left}, {below}, {right}]"
            return f"Conv with kernel_shape={list(size)}, strides={list(strides)}, {pads}, dilations=[1, 1], group=1{behind}"
        case LRN(bias=bias, beta=beta):
            # ONNX divides alpha by the size: what TensorFlow calls alpha is its alpha/size.
            alpha = layer.alpha * layer.window
            return f"LRN with size={layer.window}, alpha={alpha:.10g}, beta={beta:g}, bias={bias:g}"
        case ReLU():
            return "Relu"
        case MaxPool(pool_size=size, strides=strides, padding=padding):
            (above, below), (left, right) = _pads(size, strides, padding, shape)
            pads = f"pads=[{above}, {left}, {below}, {right}]"
            return f"MaxPool with kernel_shape={list(size)}, strides={list(strides)}, {pads}, ceil_mode=0"
        case Dropout(rate=rate):
            return f"Dropout with ratio={rate:g}, the probability to drop, in training alone"
        case Flatten():
            return "Transpose(perm=[0, 2, 3, 1]) before Flatten, or rows of the next kernel permuted from (H, W, C) to (C, H, W)"
        case Dense(units=units, activation=activation):
            return f"Gemm to {units} features with the bias added" + (f", then {activation}" if activation else "")
        case Softmax():
            return "Softmax with axis=-1"
        case _:
            assert_never(layer)


def _pads(
    size: tuple[int, int], strides: tuple[int, int], padding: Literal["SAME", "VALID"], shape: tuple[int, ...]
) -> tuple[tuple[int, int], tuple[int, int]]:
    rows, columns = (pad_widths(n, k, s, padding) for n, k, s in zip(shape[:2], size, strides, strict=True))
    return rows, columns
