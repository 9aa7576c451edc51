"""Labels of an image, interpolating only where neighbouring logits leave them open."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .image_logits import ImageLogits

# Two values of a pixel are told apart if they differ by this times the largest logit. Interpolation
# errs by some 10 units of float32 in each resize, there are two of them, here and there.
TOLERANCE = 64
BAND_PIXELS = 8192  # of the labels, found at once: what that takes stays in the cache
# Above this share of classes in near-ties, upsampling all classes is as fast.
MOST_TIED = 0.25


def pruned_labels(image: ImageLogits) -> Tensor | None:
    """The class of the highest logit at each pixel, on a CPU, from finite logits.

    An interpolated value lies between the least and the highest of the few low-resolution values
    that it is made of. So a class cannot win a pixel if its highest there is below another's least;
    where that leaves one class, it is the label. The other pixels, at the borders of classes, are
    interpolated one by one. Where two values come out closer than rounding may move them, the stock
    operations decide.

    Args:
        image: Logits and placement.

    Returns:
        (H, W), int64, exactly what stock operations give; None where this does not work: many
        ties, windows of slide mode, half precision, small images.
    """
    exact = image.like.dtype in (torch.float32, torch.float64) and not image.takes_vectors
    if len(image.windows) > 1 or not exact:
        return None
    logits = image.windows[0].logits
    winners = logits.argmax(0)
    rows, columns = _sources(image.height_matrices()[0]), _sources(image.width_matrices()[0])
    margin = TOLERANCE * torch.finfo(torch.float32).eps * image.peak
    height, width = image.placement.out_size
    labels, ties = torch.empty(height, width, dtype=torch.long), []
    step = max(1, BAND_PIXELS // width)
    for start in range(0, height, step):
        firsts, weights = rows.firsts[start : start + step], rows.weights[start : start + step]
        top, bottom = int(firsts.min()), int(firsts.max()) + rows.taps
        labels[start : start + step], found = _label_band(
            logits[:, top:bottom],
            winners[top:bottom],
            Sources(firsts - top, weights),
            columns,
            margin,
        )
        ties.append(Ties(found.rows + start, found.columns, found.contenders))
    return labels if _settle_ties(labels, image, ties) else None


@dataclass(frozen=True)
class Sources:
    """What the pixels of one side are made of.

    Attributes:
        firsts: First source of each, (out,), int64.
        weights: Of that source and the following ones, (out, taps).
    """

    firsts: Tensor
    weights: Tensor

    @property
    def taps(self) -> int:
        """How many sources a pixel has, at most."""
        return self.weights.shape[1]


def _sources(matrix: Tensor) -> Sources:
    """The non-zero entries of each row, (out, in), which lie together."""
    used = (matrix != 0).int()
    firsts = used.argmax(1)
    lasts = matrix.shape[1] - 1 - used.flip(1).argmax(1)
    taps = int((lasts - firsts).max()) + 1
    firsts = firsts.clamp(max=matrix.shape[1] - taps)
    return Sources(firsts, matrix.gather(1, firsts[:, None] + torch.arange(taps)))


def _in_windows(
    values: Tensor, height: int, width: int, extreme: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Minimum or maximum over each window of a map, (C, h, w) to (C, h - height + 1, ...)."""
    for _ in range(height - 1):
        values = extreme(values[:, 1:], values[:, :-1])
    for _ in range(width - 1):
        values = extreme(values[:, :, 1:], values[:, :, :-1])
    return values


@dataclass(frozen=True)
class Ties:
    """Pixels in which several classes are as good as equal.

    Attributes:
        rows: (n,).
        columns: (n,).
        contenders: Which classes, (n, C), bool.
    """

    rows: Tensor
    columns: Tensor
    contenders: Tensor


def _label_band(
    logits: Tensor, winners: Tensor, rows: Sources, columns: Sources, margin: float
) -> tuple[Tensor, Ties]:
    """Labels of some rows, (rows, W), and those of them that stay in doubt.

    Args:
        logits: What the rows are made of, (C, h, w).
        winners: Their classes, (h, w).
        rows: How the rows are made of them.
        columns: Likewise.
        margin: Values that are closer may be in another order in stock.
    """
    sides = rows.taps, columns.taps
    least = _in_windows(logits, *sides, torch.minimum).amax(0) - margin
    contenders = (_in_windows(logits, *sides, torch.maximum) >= least).sum(0)
    # a single contender wins everywhere in the window, so in its first pixel too
    labels = winners[rows.firsts][:, columns.firsts]
    ys, xs = (contenders > 1)[rows.firsts][:, columns.firsts].nonzero().unbind(1)
    if not len(ys):
        return labels, Ties(ys, xs, torch.empty(0, len(logits), dtype=torch.bool))
    width = logits.shape[2]
    offsets = torch.arange(rows.taps)[:, None] * width + torch.arange(columns.taps)
    firsts = rows.firsts[ys] * width + columns.firsts[xs]
    weights = rows.weights[ys][:, :, None] * columns.weights[xs][:, None, :]
    values = F.embedding_bag(
        firsts[:, None] + offsets.flatten(),
        logits.flatten(1).t().contiguous(),
        mode='sum',
        per_sample_weights=weights.flatten(1).to(logits.dtype),
    )
    # NumPy's argmax is vectorised along this side, PyTorch's is not
    classes = torch.from_numpy(values.numpy().argmax(1))[:, None]
    least = values.gather(1, classes) - margin
    labels[ys, xs] = classes[:, 0]
    tied = values.scatter_(1, classes, -torch.inf).amax(1) >= least[:, 0]
    contenders = (values[tied] >= least[tied]).scatter_(1, classes[tied], True)
    return labels, Ties(ys[tied], xs[tied], contenders)


def _settle_ties(labels: Tensor, image: ImageLogits, bands: list[Ties]) -> bool:
    """Decides near-ties by the stock operations, in place; False if they are too many."""
    rows, columns, contenders = (
        torch.cat([getattr(ties, name) for ties in bands])
        for name in ('rows', 'columns', 'contenders')
    )
    involved = contenders.any(0).nonzero().flatten()
    if len(involved) > MOST_TIED * image.num_classes:
        return False
    highest = image.like.new_full((len(rows),), -torch.inf)
    for number in involved.tolist():
        values = image.upsampled(slice(number, number + 1))[0, rows, columns]
        higher = contenders[:, number] & (values > highest)
        highest[higher] = values[higher]
        labels[rows[higher], columns[higher]] = number
    return True
