"""The Lovasz extension of the Jaccard loss, and its gradient through a softmax."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .blocks import computing_like
from .target import Target


def jaccard_slopes(foreground: Tensor, dtype: torch.dtype) -> Tensor:
    """What each pixel adds to the Jaccard loss once it is wrong, the pixels before it being wrong.

    With G pixels of the class, k of them and n others wrong so far, the loss is
    1 - (G - k) / (G + n). One more pixel of the class adds 1 / (G + n), one more other
    (G - k) / ((G + n - 1) (G + n)), n counting it. The difference of the two quotients (Berman et
    al., 2018, arXiv 1705.08790, alg. 1) would lose its digits: with a million pixels it is as small
    as their rounding.

    Args:
        foreground: Whether a pixel is of the class, the worst pixel first, (P,), bool.
        dtype: Of the result.

    Returns:
        (P,). Without a pixel of the class the first one adds all: 1, 0, 0, ...
    """
    wrong = foreground.cumsum(0)
    others = torch.arange(1, len(foreground) + 1, device=foreground.device) - wrong
    total = foreground.sum()
    union = (total + others).to(dtype)
    of_others = (total - wrong).to(dtype) / (union * (union - 1).clamp(min=1))
    slopes = torch.where(foreground, 1 / union, of_others)
    slopes[:1] += total == 0
    return slopes


def lovasz_extension(errors: Tensor, foreground: Tensor) -> Tensor:
    """The Jaccard loss of a class, extended from wrong and right to errors in between.

    Args:
        errors: Of each pixel, (P,). A pixel with none, 0 or less, counts as right; an ignored one
            takes no part with -1.
        foreground: Whether it is of the class, (P,), bool; not where it is ignored.

    Returns:
        A scalar.
    """
    ordered, order = errors.sort(descending=True)
    slopes = jaccard_slopes(foreground.gather(0, order), errors.dtype)
    return (ordered.relu() * slopes).sum()


def groups_of_images(num_images: int, per_image: bool) -> list[slice]:
    """The images that have one loss together: each alone, or all."""
    if per_image:
        return [slice(image, image + 1) for image in range(num_images)]
    return [slice(0, num_images)]


class SoftmaxLovasz(torch.autograd.Function):
    """Lovasz-softmax, a class at a time.

    Forward makes the gradient too, and keeps nothing else: one tensor of the size of the logits.
    With u_c the derivative by the probability p_c, that by the logit is p_c (u_c - sum_k p_k u_k).
    """

    @staticmethod
    def forward(
        ctx,
        logits: Tensor,
        target: Target,
        classes: list[int] | None,
        weights: Tensor,
        per_image: bool,
    ) -> Tensor:
        """Computes the loss of each image, or of the batch.

        Args:
            ctx: Autograd's.
            logits: (N, C, H, W), any floating type.
            target: Of the labels, (N, H, W).
            classes: To average over; None: those that occur.
            weights: Factor on each class's loss, (C,).
            per_image: A loss for each image.

        Returns:
            (N,) or (1,), 0 where no pixel is valid.
        """
        (num_images, num_classes), like = logits.shape[:2], computing_like(logits)
        groups = groups_of_images(num_images, per_image)
        losses = like.new_zeros(len(groups))
        gradient = None
        if ctx.needs_input_grad[0]:
            gradient = torch.zeros_like(logits, dtype=like.dtype)
        for group, images in enumerate(groups):
            valid, labels = target.valid[images], target.channel[images]
            chosen = labels[valid].unique().tolist() if classes is None else classes
            # image by image, or a second tensor of the size of the logits would be there
            log_sums = [image.to(like.dtype).logsumexp(0) for image in logits[images]]
            log_sum = torch.stack(log_sums)
            pulls = torch.zeros_like(log_sum)
            for c in chosen:
                p = (logits[images, c].to(like.dtype) - log_sum).exp()
                factor = weights[c] / len(chosen)
                loss, slope = _of_class(p, labels == c, valid, gradient is not None)
                losses[group] += factor * loss
                if gradient is not None:
                    pull = slope.mul_(p).mul_(factor)
                    gradient[images, c] = pull
                    pulls += pull
            if gradient is not None:
                for c in range(num_classes):
                    p = (logits[images, c].to(like.dtype) - log_sum).exp()
                    gradient[images, c] -= p.mul_(pulls)
        ctx.dtype = logits.dtype
        ctx.save_for_backward(gradient)
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_losses):
        """Gives the gradient of the logits, (N, C, H, W)."""
        (gradient,) = ctx.saved_tensors
        factors = grad_losses.expand(len(gradient)).view(-1, 1, 1, 1)
        return (gradient * factors).to(ctx.dtype), *[None] * 4


def _of_class(
    p: Tensor, own: Tensor, valid: Tensor, wants_slope: bool
) -> tuple[Tensor, Tensor | None]:
    """The loss of a class and, if wanted, its derivative by the class's probabilities.

    Args:
        p: Probabilities of the class, (n, H, W).
        own: Whether a pixel is of the class, or ignored, (n, H, W), bool.
        valid: Whether it is not ignored, (n, H, W), bool.
        wants_slope: Compute the derivative, (n, H, W).
    """
    with torch.set_grad_enabled(wants_slope):
        p = p.detach().requires_grad_(wants_slope)
        errors = torch.where(own, 1 - p, p).masked_fill(~valid, -1)
        loss = lovasz_extension(errors.flatten(), (own & valid).flatten())
        slope = torch.autograd.grad(loss, p)[0] if wants_slope else None
    return loss.detach(), slope
