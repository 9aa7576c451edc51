"""Labels of an image, interpolating only where neighbouring logits leave them open."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .image_logits import ImageLogits

# Two values of a pixel are told apart if they differ by this times the largest logit. Interpolation
# errs by some 10 units of float32 in each resize, there are two of them, here and there.
TOLERANCE = 64
# Rows of logits, and open pixels, that are looked at together: what that takes stays in the cache.
BAND_ROWS, BLOCK_PIXELS = 8, 2048
# Above this share of open pixels, or of classes in near-ties, upsampling all classes is as fast.
MOST_OPEN, MOST_TIED = 0.5, 0.25


def pruned_labels(image: ImageLogits) -> Tensor | None:
    """The class of the highest logit at each pixel, on a CPU, from finite logits.

    An interpolated value is a weighted mean of a few neighbouring logits. Where one class is ahead
    of all others in each of these neighbours, it is ahead in their mean: it is the label. The other
    pixels, at the borders of classes, are interpolated one by one. Where two values come out closer
    than rounding may move them, the stock operations decide.

    Args:
        image: Logits and placement.

    Returns:
        (H, W), int64, exactly what stock operations give; None where this does not work or does not
        pay: many borders, many ties, windows of slide mode, half precision, small images.
    """
    types = {image.like.dtype, image.dtype}
    exact = types <= {torch.float32, torch.float64} and not image.takes_vectors
    if len(image.windows) > 1 or not exact:
        return None
    logits = image.windows[0].logits
    rows, columns = _sources(image.height_matrices()[0]), _sources(image.width_matrices()[0])
    margin = TOLERANCE * torch.finfo(torch.float32).eps * image.peak
    winners = _find_winners(logits, margin)
    agreed = _agree(winners, rows.taps, columns.taps)
    is_open = ~agreed[rows.firsts][:, columns.firsts]
    if is_open.sum() > MOST_OPEN * is_open.numel():
        return None
    labels = winners[rows.firsts][:, columns.firsts]
    ys, xs = is_open.nonzero().unbind(1)
    ties = [
        _label_block(labels, logits, *block, rows, columns, margin)
        for block in zip(ys.split(BLOCK_PIXELS), xs.split(BLOCK_PIXELS), strict=True)
    ]
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


def _find_winners(logits: Tensor, margin: float) -> Tensor:
    """The class that is ahead of all others by more than the margin, (h, w); -1 if none is."""
    found = []
    for band in logits.split(BAND_ROWS, dim=1):
        highest, winners = band.max(0)
        second = band.scatter(0, winners[None], -torch.inf).amax(0)
        found.append(winners.where(highest - second > margin, -1))
    return torch.cat(found)


def _agree(winners: Tensor, height: int, width: int) -> Tensor:
    """Whether all of each window of a map, (h, w), are the same class, (h - height + 1, ...)."""
    shape = winners.shape[0] - height + 1, winners.shape[1] - width + 1
    first = winners[: shape[0], : shape[1]]
    agreed = first >= 0
    for down in range(height):
        for right in range(width):
            agreed &= winners[down : down + shape[0], right : right + shape[1]] == first
    return agreed


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


def _label_block(
    labels: Tensor,
    logits: Tensor,
    ys: Tensor,
    xs: Tensor,
    rows: Sources,
    columns: Sources,
    margin: float,
) -> Ties:
    """Interpolates some pixels and writes their labels, in place; returns what stays in doubt.

    Args:
        labels: Takes the labels, (H, W).
        logits: (C, h, w).
        ys: Rows of the pixels, (n,), ascending.
        xs: Columns of the pixels, (n,).
        rows: How rows are made of those of the logits.
        columns: Likewise.
        margin: Values that are closer may be in another order in stock.
    """
    first, last = rows.firsts[ys].aminmax() if len(ys) else (0, 0)
    band = logits[:, first : last + rows.taps]
    width = logits.shape[2]
    offsets = torch.arange(rows.taps)[:, None] * width + torch.arange(columns.taps)
    firsts = (rows.firsts[ys] - first) * width + columns.firsts[xs]
    weights = rows.weights[ys][:, :, None] * columns.weights[xs][:, None, :]
    values = F.embedding_bag(
        firsts[:, None] + offsets.flatten(),
        band.flatten(1).t().contiguous(),
        mode='sum',
        per_sample_weights=weights.flatten(1).to(logits.dtype),
    )
    # NumPy's argmax is vectorised along this side, PyTorch's is not
    classes = torch.from_numpy(values.numpy().argmax(1))[:, None]
    least = values.gather(1, classes) - margin
    labels[ys, xs] = classes[:, 0]
    tied = values.scatter_(1, classes, -torch.inf).amax(1) >= least[:, 0]
    contenders = (values[tied] >= least[tied]).scatter_(1, classes[tied], True)
    return Ties(ys[tied], xs[tied], contenders)


def _settle_ties(labels: Tensor, image: ImageLogits, bands: list[Ties]) -> bool:
    """Decides near-ties by the stock operations, in place; False if they are too many."""
    rows, columns, contenders = (
        torch.cat([getattr(ties, name) for ties in bands])
        for name in ('rows', 'columns', 'contenders')
    )
    involved = contenders.any(0).nonzero().flatten()
    if len(involved) > MOST_TIED * image.num_classes:
        return False
    highest = image.like.new_full((len(rows),), -torch.inf, dtype=image.dtype)
    for number in involved.tolist():
        values = image.upsampled(slice(number, number + 1))[0, rows, columns]
        higher = contenders[:, number] & (values > highest)
        highest[higher] = values[higher]
        labels[rows[higher], columns[higher]] = number
    return True
