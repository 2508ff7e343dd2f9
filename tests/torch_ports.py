"""Ports of both documents as PyTorch users write them. Imports PyTorch: import this module inside fixtures and tests."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - everybody calls it so
from torch import nn

import reference

# Filters of the three convolutions, units of the two hidden dense layers: tf1_graph's.
Sizes = tuple[int, int, int, int]
DOCUMENTED: Sizes = (64, 128, 256, 1024)
FEW: Sizes = (22, 24, 28, 36)  # those of `alexnet_ref.power.miniature`


class Window(nn.Module):  # type: ignore[misc]  # PyTorch is read as Any
    """LRN written by hand: squares summed over a window of channels."""

    def __init__(self, size: int = 9, alpha: float = 0.001 / 9, beta: float = 0.75, bias: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.bias = size, alpha, beta, bias

    def forward(self, x: Any) -> Any:
        """Return x divided by the window's norm."""
        squares = F.pad((x * x).unsqueeze(1), (0, 0, 0, 0, self.size // 2, self.size // 2))
        sums = sum(squares[:, 0, i : i + x.shape[1]] for i in range(self.size))
        return x / (self.bias + self.alpha * sums) ** self.beta


def tf1_sequential(
    sizes: Sizes = DOCUMENTED, *, lrn: Any = None, pool: Any = None, padding: Any = 1, rate: float = 0.2, relu: bool = True
) -> nn.Sequential:
    """tf1_graph as one nn.Sequential; the arguments make its mistakes."""
    lrn = lrn or (lambda: nn.LocalResponseNorm(9, alpha=0.001, beta=0.75, k=1.0))
    pool = pool or (lambda: nn.MaxPool2d(2, 2, ceil_mode=True))

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        activation = [nn.ReLU(inplace=True)] if relu else []
        return [nn.Conv2d(inputs, outputs, 3, padding=padding), *activation, pool(), lrn(), nn.Dropout(rate)]

    a, b, c, d = sizes
    dense = [nn.Linear(4 * 4 * c, d), nn.ReLU(), nn.Linear(d, d), nn.ReLU(), nn.Linear(d, 10)]
    return initialised(nn.Sequential(*block(1, a), *block(a, b), *block(b, c), nn.Flatten(), *dense))


class TF1(nn.Module):  # type: ignore[misc]  # PyTorch is read as Any
    """tf1_graph as a class whose forward calls functions; subclasses make mistakes in one place each."""

    def __init__(self, sizes: Sizes = DOCUMENTED) -> None:
        super().__init__()
        a, b, c, d = sizes
        self.conv1 = nn.Conv2d(1, a, 3, padding="same")
        self.conv2 = nn.Conv2d(a, b, 3, padding="same")
        self.conv3 = nn.Conv2d(b, c, 3, padding="same")
        self.fc1 = nn.Linear(4 * 4 * c, d)
        self.fc2 = nn.Linear(d, d)
        self.out = nn.Linear(d, 10)
        initialised(self)

    def pool(self, x: Any) -> Any:
        """Pool as SAME does: what a last odd row lacks is lowest."""
        return F.max_pool2d(F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2), value=-torch.inf), 2)

    def norm(self, x: Any) -> Any:
        """Normalise."""
        return F.local_response_norm(x, 9, alpha=0.001, beta=0.75, k=1.0)

    def drop(self, x: Any) -> Any:
        """Drop a fifth in training."""
        return F.dropout(x, 0.2, self.training)

    def flat(self, x: Any) -> Any:
        """Flatten."""
        return x.view(x.size(0), -1)

    def forward(self, x: Any) -> Any:
        """Return the logits of x (N, 784) or (N, 1, 28, 28)."""
        x = x.reshape(-1, 1, 28, 28)
        for conv in (self.conv1, self.conv2, self.conv3):
            x = self.drop(self.norm(self.pool(F.relu(conv(x)))))
        x = F.relu(self.fc1(self.flat(x)))
        return self.out(F.relu(self.fc2(x)))


class ByHand(TF1):
    """LRN written by hand, dropout only where training asks for it, relu in place and its result ignored."""

    def norm(self, x: Any) -> Any:
        """Normalise by hand."""
        return Window().forward(x)

    def drop(self, x: Any) -> Any:
        """Drop in training alone."""
        return F.dropout(x, 0.2) if self.training else x

    def forward(self, x: Any) -> Any:
        """Work in place."""
        n = x.shape[0]
        for conv in (self.conv1, self.conv2, self.conv3):
            x = conv(x)
            x.relu_()
            x = self.drop(self.norm(self.pool(x)))
        x = F.relu(self.fc1(x.reshape(n, self.fc1.in_features)), inplace=True)
        return F.linear(torch.relu(self.fc2(x)), self.out.weight, self.out.bias)


class Apart(TF1):
    """Convolutions' biases as parameters of their own, put on the channels' axis; SAME by padding with zero after a ReLU."""

    def __init__(self, sizes: Sizes = DOCUMENTED) -> None:
        super().__init__(sizes)
        self.biases = nn.ParameterList(conv.bias for conv in self.convs())
        for conv in self.convs():
            conv.bias = None

    def convs(self) -> tuple[Any, ...]:
        """Return the convolutions."""
        return self.conv1, self.conv2, self.conv3

    def add(self, x: Any, bias: Any) -> Any:
        """Add a bias."""
        return x + bias.view(1, -1, 1, 1)

    def pool(self, x: Any) -> Any:
        """Pad with zeros, which never win: what comes from a ReLU is not negative."""
        return F.max_pool2d(F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2)), 2)

    def forward(self, x: Any) -> Any:
        """Return the logits."""
        for conv, bias in zip(self.convs(), self.biases, strict=True):
            x = self.drop(self.norm(self.pool(F.relu(self.add(conv(x), bias)))))
        x = F.relu(self.fc1(self.flat(x)))
        return self.out(F.relu(self.fc2(x)))


class Obscured(Apart):
    """The same, the bias added in a way that no tracer reads as one."""

    def add(self, x: Any, bias: Any) -> Any:
        """Add a bias, twice turned."""
        return x + bias.flip(0).flip(0)[:, None, None]


class Masked(TF1):
    """Dropout as a mask times a scale, by hand, in training alone; no tracer follows how the mask's shape is written."""

    def drop(self, x: Any) -> Any:
        """Drop a fifth in training."""
        return x * (torch.rand(list(x.shape)) >= 0.2) / 0.8 if self.training else x


class OwnGenerator(TF1):
    """Dropout from a generator of the module's own, which goes on from call to call; the scale is there at inference too."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(5)

    def drop(self, x: Any) -> Any:
        """Drop a fifth in training."""
        mask = (torch.rand(list(x.shape), generator=self.generator) >= 0.2) / 0.8 if self.training else 1.0
        return x * mask


class NewGenerator(TF1):
    """Wrong: each call begins with the same random numbers."""

    def drop(self, x: Any) -> Any:
        """Drop the same fifth in each call."""
        generator = torch.Generator().manual_seed(5)
        return x * (torch.rand(list(x.shape), generator=generator) >= 0.2) / 0.8 if self.training else x


class Seeded(TF1):
    """Wrong, in a way that no graph shows: each call seeds PyTorch's own random numbers."""

    def forward(self, x: Any) -> Any:
        """Return the logits."""
        torch.manual_seed(0)
        return super().forward(x)


class ChannelsLast(TF1):
    """Takes (N, H, W, C), and flattens in the documents' order."""

    def flat(self, x: Any) -> Any:
        """Flatten rows first."""
        return torch.flatten(x.permute(0, 2, 3, 1), 1)

    def forward(self, x: Any) -> Any:
        """Return the logits of x (N, 28, 28, 1)."""
        assert x.shape[1:] == (28, 28, 1)  # compared while it is traced: torch.fx cannot, torch.export can
        return super().forward(x.permute(0, 3, 1, 2))


class Branching(TF1):
    """Asks its data which way to go: no graph can be taken."""

    def __init__(self) -> None:
        super().__init__()
        self.relu, self.drop1 = nn.ReLU(), nn.Dropout(0.2)
        self.norm1 = nn.LocalResponseNorm(9, alpha=0.001, beta=0.75, k=1.0)

    def forward(self, x: Any) -> Any:
        """Return the logits."""
        if float(x.sum()) > 1e9:
            raise ValueError("too bright")
        for conv in (self.conv1, self.conv2, self.conv3):
            x = self.drop1(self.norm1(self.pool(self.relu(conv(x)))))
        x = self.relu(self.fc1(self.flat(x)))
        return self.out(self.relu(self.fc2(x)))


class KerasSequential(nn.Module):  # type: ignore[misc]  # PyTorch is read as Any
    """keras_sequential as a class: padding by hand where SAME is not symmetric."""

    def __init__(self) -> None:
        super().__init__()
        self.resize = nn.Upsample(size=(224, 224), mode="bilinear", align_corners=False)
        self.conv1 = nn.Conv2d(3, 96, 11, stride=4)
        self.conv2 = nn.Conv2d(96, 256, 5, stride=4, padding=1)
        self.conv3 = nn.Conv2d(256, 384, 3, stride=4)
        self.conv4 = nn.Conv2d(384, 384, 3, stride=4, padding=1)
        self.conv5 = nn.Conv2d(384, 256, 3, stride=4, padding=1)
        self.norm = nn.LocalResponseNorm(11, alpha=11.0, beta=0.5, k=1.0)  # alpha 1 for each square
        self.dense1, self.dense2, self.dense3 = nn.Linear(256, 4096), nn.Linear(4096, 4096), nn.Linear(4096, 10)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Any) -> Any:
        """Return the probabilities of x (N, 3, 32, 32)."""
        x = self.conv1(self.padded(self.resize(x)))
        x = F.max_pool2d(F.relu(self.norm(x)), 3, 2)
        x = F.max_pool2d(F.relu(self.norm(self.conv2(x))), 3, 2)
        x = F.relu(self.conv3(x))
        x = F.relu(self.conv4(x))
        x = F.relu(self.conv5(x))
        x = torch.flatten(x, 1)
        x = self.drop(F.relu(self.dense1(x)))
        x = self.drop(F.relu(self.dense2(x)))
        return self.result(self.dense3(x))

    def padded(self, x: Any) -> Any:
        """Pad as SAME does: 3 before, 4 after."""
        return F.pad(x, (3, 4, 3, 4))

    def result(self, x: Any) -> Any:
        """Return probabilities."""
        return F.softmax(x, dim=-1)


def initialised(module: Any) -> Any:
    """Draw every weight and bias as tf1_graph's document does, always the same."""
    generator = torch.Generator().manual_seed(1)
    for parameter in module.parameters():
        nn.init.normal_(parameter, generator=generator)
    return module


def taking(module: nn.Module, params: reference.Params) -> Any:
    """Return the module with the oracle's params, in the order of its layers; a dense layer's rows are re-ordered by hand."""
    layers = [part for part in module.modules() if isinstance(part, (nn.Conv2d, nn.Linear))]
    with torch.no_grad():
        for part, values in zip(layers, params.values(), strict=True):
            kernel, bias = (torch.from_numpy(values[k].copy()) for k in ("kernel", "bias"))
            if isinstance(part, nn.Linear) and part.in_features == 4 * 4 * 256:
                kernel = kernel.reshape(4, 4, 256, -1).permute(2, 0, 1, 3).reshape(4096, -1)
            part.weight.copy_(kernel.permute(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T)
            part.bias.copy_(bias)
    return module
