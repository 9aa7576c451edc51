"""Cross-entropy and overlaps of softmax probabilities, and their gradient, block by block."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .blocks import Blocks, Gradient, raised, weighted_sum
from .target import Target


class SoftmaxSums(torch.autograd.Function):
    """Cross-entropy of each pixel, and overlap and size of each predicted class.

    As ``SigmoidSums``, with p = softmax(z) over the classes. For a derivative u_c by p_c the one by
    z_c is p_c (u_c - sum_k p_k u_k); that of -log p_y is p_c, less 1 at c = y.
    """

    @staticmethod
    def forward(
        ctx,
        logits: Tensor,
        target: Target,
        align_corners: bool,
        smoothing: Tensor | None,
        power: int | None,
        region: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Sums a batch.

        Args:
            ctx: Autograd's.
            logits: (N, C, h, w), any floating type.
            target: Of the labels, (N, H, W).
            align_corners: Of the upsampling.
            smoothing: Weight of each class in the second result, (C,); None: it is 0.
            power: Exponent of the probabilities in the sizes, 1 or 2; None: no overlaps, no sizes.
            region: Weight of each pixel in overlaps and sizes, (N, H, W).

        Returns:
            -log p of each pixel's class, and the weighted sum of -log p over all classes, (N, H, W)
            each, 0 where the pixel is ignored; p summed over the pixels of each class, and p^power
            over all pixels, (N, C), float64; whether each pixel's class has the highest logit,
            (N, H, W), bool.
        """
        num_images, num_classes = logits.shape[:2]
        with torch.autocast(logits.device.type, enabled=False):
            blocks = Blocks(logits, target.valid.shape[1:], align_corners, num_buffers=2)
            smooth = blocks.like.new_zeros(target.valid.shape)
            own, best, total = (torch.empty_like(smooth) for _ in range(3))
            sizes = logits.new_zeros((num_images, num_classes), dtype=torch.float64)
            overlaps = torch.zeros_like(sizes)
            for block in blocks:
                z, p = block.buffers
                block.of(own).copy_(z.gather(1, block.of(target.channel)))
                highest = z.amax(1, keepdim=True)
                block.of(best).copy_(highest)
                torch.sub(z, highest, out=p).exp_()
                sums = p.sum(1, keepdim=True)
                block.of(total).copy_(sums)
                if smoothing is not None:
                    block.of(smooth).copy_((smoothing @ z.flatten(2)).view_as(sums))
                if power is not None:
                    size = raised(p.div_(sums), power, out=z)
                    sizes[block.images] += weighted_sum(size, block.of(region))
            log_sums = best + total.log()
            losses = torch.where(target.valid, log_sums - own, 0)
            if smoothing is not None:
                smooth = torch.where(target.valid, smoothing.sum() * log_sums - smooth, 0)
            if power is not None:
                overlaps += target.sum_by_channel((own - log_sums).exp() * region, num_classes)
            correct = own >= best
        ctx.target, ctx.settings = target, (align_corners, power)
        ctx.save_for_backward(logits, smoothing, region, own, log_sums)
        ctx.mark_non_differentiable(correct)
        return losses, smooth, overlaps, sizes, correct

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_losses, grad_smooth, grad_overlaps, grad_sizes, _):
        """Gives the gradient of the logits, (N, C, h, w)."""
        logits, smoothing, region, own, log_sums = ctx.saved_tensors
        target, (align_corners, power) = ctx.target, ctx.settings
        with torch.autocast(logits.device.type, enabled=False):
            blocks = Blocks(logits, target.valid.shape[1:], align_corners, num_buffers=3)
            gradient = Gradient(blocks)
            of_all = grad_losses.to(own) * target.valid  # what each p_c is multiplied with
            at_own = -of_all
            if smoothing is not None:
                grad_smooth = grad_smooth.to(own) * target.valid
                of_all = of_all + grad_smooth * smoothing.sum()
            if power is not None:
                grad_sizes = (grad_sizes * power).to(own)[:, :, None, None]
                of_overlap = target.spread(grad_overlaps.to(own)) * (own - log_sums).exp() * region
                of_overlap *= target.positive
                at_own, of_all = at_own + of_overlap, of_all - of_overlap
            for block in blocks:
                z, p, g = block.buffers
                torch.sub(z, block.of(log_sums), out=p).exp_()
                factor = block.of(of_all)
                if power is None:
                    torch.mul(p, factor, out=g)
                else:
                    u = torch.mul(raised(p, power, out=z), grad_sizes[block.images], out=z)
                    u.mul_(block.of(region))
                    torch.addcmul(u, p, factor - u.sum(1, keepdim=True), out=g)
                if smoothing is not None:
                    g.addcmul_(smoothing.view(-1, 1, 1), block.of(grad_smooth), value=-1)
                channel = block.of(target.channel)
                added = block.of(at_own) * block.of(target.positive)
                g.scatter_(1, channel, g.gather(1, channel).add_(added))
                gradient.add(block, g)
        return gradient.logits.to(logits.dtype), *[None] * 5
