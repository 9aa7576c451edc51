"""Focal losses and overlaps of sigmoid probabilities, and their gradient, block by block."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .blocks import Blocks, Gradient, raised, weighted_sum
from .target import Target

MOST = 80.0  # exp of more would leave float32, and softplus(z) is z long before


class SigmoidSums(torch.autograd.Function):
    """Focal loss of each pixel, and overlap and size of each predicted class.

    Forward and backward upsample the logits for themselves, a block at a time; nothing of the
    labels' size and C channels is ever held. With p = sigmoid(z), q = 1 - p and an exponent g, the
    gradient is

        d/dz  p^g softplus(z)    =  p^g (g q softplus(z) + p)       for the classes a pixel is not
        d/dz  q^g softplus(-z)   = -q^g (g p softplus(-z) + q)      for the class it is
        d/dz  p^k                =  k p^k q

    where softplus(z) is -log(1 - p), taken so because 1 - p rounds to 0 from z = 17 on.
    """

    @staticmethod
    def forward(
        ctx,
        logits: Tensor,
        target: Target,
        align_corners: bool,
        gamma: float | None,
        negative: Tensor | None,
        positive: Tensor | None,
        power: int | None,
        region: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Sums a batch.

        Args:
            ctx: Autograd's.
            logits: (N, C, h, w), any floating type.
            target: Of the labels, (N, H, W).
            align_corners: Of the upsampling.
            gamma: Focusing exponent; None: no focal loss.
            negative: Weights of the classes a pixel is not, (C,), or (1,) for all alike.
            positive: Weights of the class a pixel is, (C,) or (1,).
            power: Exponent of the probabilities in the sizes, 1 or 2; None: no overlaps, no sizes.
            region: Weight of each pixel in overlaps and sizes, (N, H, W).

        Returns:
            Focal loss of each pixel, (N, H, W), 0 where it is ignored; p summed over the pixels of
            each class, and p^power over all pixels, (N, C), float64; whether each pixel's class
            has the highest logit, (N, H, W), bool.
        """
        num_images, num_classes = logits.shape[:2]
        with torch.autocast(logits.device.type, enabled=False):
            blocks = Blocks(logits, target.valid.shape[1:], align_corners, num_buffers=2)
            bounded = _is_bounded(logits)
            losses = blocks.like.new_zeros(target.valid.shape)
            own, best = torch.empty_like(losses), torch.empty_like(losses)
            sizes = logits.new_zeros((num_images, num_classes), dtype=torch.float64)
            overlaps = torch.zeros_like(sizes)
            for block in blocks:
                z, softplus = block.buffers
                channel = block.of(target.channel)
                block.of(own).copy_(z.gather(1, channel))
                block.of(best).copy_(z.amax(1, keepdim=True))
                p, softplus = _activate(z, softplus, gamma, bounded)
                if gamma and gamma != power:
                    softplus.mul_(raised(p, gamma))
                if power is not None:
                    size = raised(p, power, out=p)
                    sizes[block.images] += weighted_sum(size, block.of(region))
                    if gamma == power:
                        softplus.mul_(size)
                if gamma is not None:
                    # the pixel's own channel is added below
                    focal = softplus.scatter_(1, channel, 0).flatten(2)
                    sums = negative.expand(num_classes) @ focal
                    block.of(losses).copy_(sums.view_as(channel))
            if gamma is not None:
                falling = raised(torch.sigmoid(-own), gamma) * F.softplus(-own)
                rising = raised(torch.sigmoid(own), gamma) * F.softplus(own)
                losses += _weighted_by_side(
                    falling, rising, target, negative, positive, num_classes
                )
                losses *= target.valid
            if power is not None:
                overlaps += target.sum_by_channel(torch.sigmoid(own) * region, num_classes)
            # a single channel decides by its sign
            correct = (own > 0) == target.positive if num_classes == 1 else own >= best
        ctx.target, ctx.settings = target, (align_corners, gamma, power)
        ctx.save_for_backward(logits, negative, positive, region, own)
        ctx.mark_non_differentiable(correct)
        return losses, overlaps, sizes, correct

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_losses, grad_overlaps, grad_sizes, _):
        """Gives the gradient of the logits, (N, C, h, w)."""
        logits, negative, positive, region, own = ctx.saved_tensors
        target, (align_corners, gamma, power) = ctx.target, ctx.settings
        with torch.autocast(logits.device.type, enabled=False):
            blocks = Blocks(logits, target.valid.shape[1:], align_corners, num_buffers=3)
            bounded = _is_bounded(logits)
            gradient = Gradient(blocks)
            p, q, at_own = torch.sigmoid(own), torch.sigmoid(-own), torch.zeros_like(own)
            num_classes = logits.shape[1]
            if gamma is not None:
                scale = grad_losses.to(own) * target.valid
                rising = raised(p, gamma) * (gamma * q * F.softplus(own) + p)
                falling = -raised(q, gamma) * (gamma * p * F.softplus(-own) + q)
                at_own += scale * _weighted_by_side(
                    falling, rising, target, negative, positive, num_classes
                )
                if negative.numel() == 1:  # spares a pass over all classes
                    scale = scale * negative
            if power is not None:
                grad_sizes = (grad_sizes * power).to(own)
                of_region = target.spread(grad_overlaps.to(own)) * target.positive * p
                of_region += target.spread(grad_sizes) * raised(p, power)
                at_own += of_region * q * region
            shares_power = gamma == power and negative.numel() == 1  # p^gamma q is a common factor
            for block in blocks:
                z, g, q = block.buffers
                p, g = _activate(z, g, gamma, bounded, q)
                if gamma is None:
                    g.zero_()
                else:
                    g.mul_(block.of(scale) * gamma)
                    if shares_power:
                        g.addcmul_(grad_sizes[block.images, :, None, None], block.of(region))
                    g.mul_(q).addcmul_(p, block.of(scale))
                    if negative.numel() > 1:
                        g.mul_(negative.view(-1, 1, 1))
                    if gamma:
                        g.mul_(raised(p, gamma, out=p if shares_power else None))
                if power is not None and not shares_power:
                    q.mul_(raised(p, power, out=p)).mul_(grad_sizes[block.images, :, None, None])
                    g.addcmul_(q, block.of(region))
                g.scatter_(1, block.of(target.channel), block.of(at_own))
                gradient.add(block, g)
        return gradient.logits.to(logits.dtype), *[None] * 7


def _weighted_by_side(
    if_positive: Tensor,
    if_negative: Tensor,
    target: Target,
    negative: Tensor,
    positive: Tensor,
    num_classes: int,
) -> Tensor:
    """What a pixel's own channel has, (N, H, W): that of label 1 is negative at label 0."""
    positive, negative = (each.expand(num_classes)[target.channel] for each in (positive, negative))
    return torch.where(target.positive, if_positive * positive, if_negative * negative)


def _is_bounded(logits: Tensor) -> bool:
    """Whether no exp can overflow. On a GPU, where to look the run would have to wait, unknown."""
    return logits.device.type == 'cpu' and logits.amax().item() <= MOST


def _activate(
    z: Tensor, softplus: Tensor, gamma: float | None, bounded: bool, q: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Makes sigmoid(z), over ``z``, softplus(z), and in ``q`` sigmoid(-z).

    On a GPU each is one kernel. On a CPU one exp serves all, which takes a third of the time:
    log(1 + exp(z)) is off by 6e-8, which p^gamma makes nothing of a value. With ``q``, for a
    gradient, softplus(z) is held between p and exp(z), which leaves it 2.5e-4 of itself at most.

    Returns:
        sigmoid(z), and softplus(z), or anything if ``gamma`` is None.
    """
    if z.device.type != 'cpu':
        softplus = softplus if gamma is None else F.softplus(z)
        if q is not None:
            torch.neg(z, out=q).sigmoid_()
        return z.sigmoid_(), softplus
    excess = None
    if not bounded:
        excess = (z - MOST).clamp_(min=0)
        z.clamp_(max=MOST)
    exp = z.exp_()
    torch.add(exp, 1, out=softplus)
    if gamma is not None and gamma < 1:  # no power of p makes the error small
        q = torch.reciprocal(softplus, out=q)
        torch.log1p(exp, out=softplus)
        p = exp.mul_(q)
    elif q is None:
        p = exp.div_(softplus)
        if gamma is not None:
            softplus.log_()
    else:
        torch.reciprocal(softplus, out=q)
        if gamma is not None:
            torch.minimum(softplus.log_(), exp, out=softplus)
        p = exp.mul_(q)
        if gamma is not None:
            torch.maximum(softplus, p, out=softplus)
    if excess is not None:
        softplus.add_(excess)
    return p, softplus
