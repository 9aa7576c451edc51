"""What the comparison of losses compares: decode heads, each with its losses."""

from dataclasses import dataclass, field
from importlib.util import find_spec

import torch.nn.functional as F
from mmseg.models import decode_heads as stock
from mmseg.models.losses import CrossEntropyLoss, DiceLoss, FocalLoss
from mmseg.models.losses.focal_loss import py_sigmoid_focal_loss
from torch import Tensor, nn

from mmseg_ext import losses as ours
from mmseg_ext.models import FCNHead

# FocalDiceLoss as MMSegmentation averages: focal over all pixels and classes, one dice of an image
STOCK_FORM = dict(
    avg_non_ignore=False, avg_over_classes=True, pooled=True, per_image=True, count_ignored=True
)


class EagerFocalLoss(nn.Module):
    """MMSegmentation 1.x's ``FocalLoss`` in plain PyTorch, with its defaults.

    Its own ``forward`` needs a compiled operator on a GPU, and picks the wrong column of the
    one-hot labels on a CPU, where it raises. This is that way with the right columns: the same
    transposing, one-hot labels, ``py_sigmoid_focal_loss`` and mean over all pixels and classes.
    """

    loss_name = 'loss_focal'

    def forward(
        self, pred: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = 255
    ) -> Tensor:
        """Computes the loss.

        Args:
            pred: Logits, (N, C, H, W).
            target: Labels, (N, H, W), int64.
            weight: Weight of each pixel, (N * H * W,).
            ignore_index: Label of pixels whose loss is 0; they count in the mean.
        """
        num_classes = pred.shape[1]
        pred = pred.transpose(0, 1).reshape(num_classes, -1).transpose(0, 1).contiguous()
        target = target.flatten()
        valid = (target != ignore_index).view(-1, 1)
        target = target.where(target != ignore_index, 0)
        one_hot = F.one_hot(target, num_classes=num_classes + 1)[:, :num_classes]
        return py_sigmoid_focal_loss(pred, one_hot, weight=weight, valid_mask=valid)


@dataclass(frozen=True)
class Variant:
    """A head and its losses.

    Attributes:
        name: In the table.
        head: Class of the decode head.
        losses: Class and settings of each loss.
        agrees: Whether value and gradient have to be those of the baseline; None: it is another
            loss, and is not compared.
        upcast: Give the losses the logits in float32, whatever the head's forward made.
    """

    name: str
    head: type
    losses: tuple[tuple[type, dict], ...] = field(hash=False)
    agrees: bool | None = None
    upcast: bool = False

    def build(self, num_classes: int) -> nn.Module:
        """Builds the head for logits of so many classes."""
        return self.head(
            in_channels=1,
            channels=1,
            num_convs=0,
            concat_input=False,
            num_classes=num_classes,
            loss_decode=[dict(type=kind, **settings) for kind, settings in self.losses],
        )


def variants(comparison: str, device: str, dtype: str) -> list[Variant]:
    """The variants of a comparison; the first is the baseline of speed and memory.

    Value and gradient are compared with the baseline's, or, in half precision, with those of stock
    losses that are given the same logits in float32: stock rounds in between.

    Args:
        comparison: A key of ``COMPARISONS``.
        device: 'cpu' or 'cuda'.
        dtype: Name of the logits' type.
    """
    stock_losses, rows = COMPARISONS[comparison]
    baseline = Variant(STOCK, stock.FCNHead, stock_losses, agrees=False)
    found = [baseline]
    if dtype != 'float32':
        found.append(Variant('stock in float32', stock.FCNHead, stock_losses, False, upcast=True))
    if comparison == 'focal-dice' and device == 'cuda' and has_stock_operator():
        operator = (FocalLoss, {}), *stock_losses[1:]
        found.append(Variant("stock, mmcv's operator", stock.FCNHead, operator, agrees=False))
    return [*found, *rows]


def has_stock_operator() -> bool:
    """Whether mmcv has its compiled operators, of which stock ``FocalLoss`` is one."""
    return find_spec('mmcv._ext') is not None


STOCK = 'stock'
COMPARISONS = {
    'focal-dice': (
        ((EagerFocalLoss, {}), (DiceLoss, {})),
        (
            Variant('ours, stock form', FCNHead, ((ours.FocalDiceLoss, STOCK_FORM),), agrees=True),
            Variant('ours', FCNHead, ((ours.FocalDiceLoss, {}),)),
        ),
    ),
    'cross-entropy': (
        ((CrossEntropyLoss, dict(avg_non_ignore=True)),),
        (Variant('ours', FCNHead, ((ours.CrossEntropyLoss, {}),), agrees=True),),
    ),
}
