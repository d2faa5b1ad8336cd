"""Training, model: the network of the reader, a line image [n, 1, 32, w] -> log-probabilities [n, w/4, 252].

Convolutions halve the picture to a strip of 256 features per four pixels of width, three one-dimensional blocks and
one two-way LSTM see along the line, CTC turns columns into text. About two million parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from extractors.reader import HEIGHT
from training.alphabet import CLASSES

WIDTHS = (24, 64, 128)
STRIP = 256
HIDDEN = 192


class Residual(nn.Module):
    """Two 3x3 convolutions around which the input passes unchanged."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(convolution(width, width), nn.ReLU(), convolution(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


class Along(nn.Module):
    """One-dimensional block after ConvNeXt: depthwise 7, then two linear layers per column."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: Tensor) -> Tensor:  # [n, columns, width]
        seen = self.depthwise(x.transpose(1, 2)).transpose(1, 2)
        return x + self.scale * self.narrow(torch.nn.functional.gelu(self.wide(self.norm(seen)), approximate="tanh"))


class LineReader(nn.Module):
    """Stem, three stages, strip, blocks along the line, LSTM, classes."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        first, second, third = WIDTHS
        self.picture = nn.Sequential(
            nn.PixelUnshuffle(2),
            convolution(4, first),
            nn.ReLU(),
            Residual(first),
            convolution(first, second, stride=2),
            nn.ReLU(),
            Residual(second),
            convolution(second, third, stride=(2, 1)),
            nn.ReLU(),
            Residual(third),
        )
        self.strip = nn.Sequential(nn.Linear(third * HEIGHT // 8, STRIP), nn.LayerNorm(STRIP))
        self.along = nn.Sequential(*(Along(STRIP) for _ in range(3)))
        self.lstm = nn.LSTM(STRIP, HIDDEN, batch_first=True, bidirectional=True)
        self.drop = nn.Dropout(0.1)
        self.classes = nn.Linear(2 * HIDDEN, classes)

    def forward(self, lines: Tensor) -> Tensor:
        picture = self.picture(lines)  # [n, 128, 4, columns]
        columns = picture.permute(0, 3, 1, 2).flatten(2)
        seen, _ = self.lstm(self.along(self.strip(columns)))
        return self.classes(self.drop(seen)).log_softmax(-1)


def convolution(before: int, after: int, stride: int | tuple[int, int] = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after))


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())
