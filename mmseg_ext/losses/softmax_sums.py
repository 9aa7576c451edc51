"""Cross-entropy and overlaps of softmax probabilities, and their gradient, block by block."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .blocks import Blocks, Gradient, raised, weighted_sum
from .target import Target


class SoftmaxSums(torch.autograd.Function):
    """Cross-entropy of each pixel, and overlap and size of each predicted class.

    As ``SigmoidSums``, with p = softmax(z) over the classes. For a derivative d_c by p_c the one by
    z_c is p_c (d_c - sum_k p_k d_k); that of -log p_y is p_c, less 1 at c = y.

    A pixel's own class y is summed apart from the others: 1 - p_y is what the others sum up to.
    As a difference it would keep no digit of a confident pixel, and with it the gradient none.
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
            best, margin, others = (torch.empty_like(smooth) for _ in range(3))
            sizes = logits.new_zeros((num_images, num_classes), dtype=torch.float64)
            overlaps = torch.zeros_like(sizes)
            for block in blocks:
                z, p = block.buffers
                channel = block.of(target.channel)
                highest = z.amax(1, keepdim=True)
                torch.sub(z, highest, out=p)
                behind = p.gather(1, channel)
                if smoothing is not None:
                    block.of(smooth).copy_((smoothing @ p.flatten(2)).view_as(behind))
                sums = p.exp_().scatter_(1, channel, 0).sum(1, keepdim=True)
                for whole, part in ((best, highest), (margin, behind), (others, sums)):
                    block.of(whole).copy_(part)
                if power is not None:
                    own = behind.exp_()
                    p.scatter_(1, channel, own).div_(sums + own)
                    size = raised(p, power, out=z)
                    sizes[block.images] += weighted_sum(size, block.of(region))
            correct, own = margin == 0, margin.exp()
            log_total = torch.where(correct, others.log1p(), (others + own).log())
            losses = torch.where(target.valid, log_total - margin, 0)
            if smoothing is not None:
                smooth = torch.where(target.valid, smoothing.sum() * log_total - smooth, 0)
            if power is not None:
                overlaps += target.sum_by_channel(own / (others + own) * region, num_classes)
        ctx.target, ctx.settings = target, (align_corners, power)
        ctx.save_for_backward(logits, smoothing, region, best, margin, others)
        ctx.mark_non_differentiable(correct)
        return losses, smooth, overlaps, sizes, correct

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_losses, grad_smooth, grad_overlaps, grad_sizes, _):
        """Gives the gradient of the logits, (N, C, h, w)."""
        logits, smoothing, region, best, margin, others = ctx.saved_tensors
        target, (align_corners, power) = ctx.target, ctx.settings
        with torch.autocast(logits.device.type, enabled=False):
            blocks = Blocks(logits, target.valid.shape[1:], align_corners, num_buffers=3)
            gradient = Gradient(blocks)
            e_own = margin.exp()
            total = others + e_own
            p_own, q_own = e_own / total, others / total
            of_all = grad_losses.to(best) * target.valid  # what each p_c is multiplied with
            at_own = -of_all * q_own
            if smoothing is not None:
                grad_smooth = grad_smooth.to(best) * target.valid
                of_smooth = grad_smooth * smoothing.sum()
                at_own += of_smooth * p_own - grad_smooth * smoothing[target.channel]
                of_all = of_all + of_smooth
            if power is not None:
                grad_sizes = (grad_sizes * power).to(best)
                of_overlap = target.spread(grad_overlaps.to(best)) * p_own * region
                of_overlap *= target.positive
                u_own = target.spread(grad_sizes) * raised(p_own, power) * region
                at_own += (of_overlap + u_own) * q_own
                of_all = of_all - of_overlap - u_own
                region = region / raised(total, power)
            for block in blocks:
                z, p, g = block.buffers
                channel, added = block.of(target.channel), block.of(at_own)
                factor, sums = block.of(of_all), block.of(total)
                torch.sub(z, block.of(best), out=p).exp_()  # p times the total
                if power is None:
                    torch.mul(p, factor / sums, out=g)
                else:
                    of_size = grad_sizes[block.images, :, None, None]
                    u = torch.mul(raised(p, power, out=z), of_size, out=z).mul_(block.of(region))
                    rest = u.scatter_(1, channel, 0).sum(1, keepdim=True)
                    torch.addcmul(u, p, (factor - rest) / sums, out=g)
                    added = added - block.of(p_own) * rest
                if smoothing is not None:
                    g.addcmul_(smoothing.view(-1, 1, 1), block.of(grad_smooth), value=-1)
                g.scatter_(1, channel, added)
                gradient.add(block, g)
        return gradient.logits.to(logits.dtype), *[None] * 5
