"""One training step of a head's losses, in a process of its own: what it gives, takes and needs."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor

from .commands import Timing
from .loss_variants import Variant
from .peak_memory import peak_memory

IGNORE_INDEX = 255
IGNORED = 0.05  # share of the pixels: at the border, where cropping pads
BLOCK = 32  # pixels of one class lie together
ROUND = 1.0  # seconds that a variant is timed for in one round, and at least one step
# of fp16, in which a mean over millions of pixels leaves no gradient; GradScaler begins with this
LOSS_SCALE = 2.0**16


@dataclass(frozen=True)
class Settings:
    """What the losses are given.

    Attributes:
        images: Batch size N.
        classes: C.
        logits: Height and width of the logits.
        labels: Height and width of the labels.
        device: 'cpu' or 'cuda'.
        dtype: Type of the logits: 'float32', 'bfloat16' or 'float16'. In half precision the losses
            run under autocast, as in training with it.
        threads: Of PyTorch, on the CPU.
        seed: Of logits and labels.
    """

    images: int
    classes: int
    logits: tuple[int, int]
    labels: tuple[int, int]
    device: str
    dtype: str
    threads: int
    seed: int = 0


@dataclass(frozen=True)
class First:
    """What the first step gave.

    Attributes:
        terms: The losses and ``acc_seg`` by name.
        peak: Bytes that it needed for a while; None where the system does not say.
    """

    terms: dict[str, float]
    peak: int | None


def warm_up(variant: Variant, settings: Settings) -> None:
    """Imports and starts what a step needs, threads for one, by a step too small to count."""
    torch.set_num_threads(settings.threads)
    make_step(variant, replace(settings, images=1, logits=(8, 8), labels=(32, 32)))()


def first_step(variant: Variant, settings: Settings, gradient: Path) -> First:
    """Makes the first step of the real size.

    Its memory is what forward and backward add, the gradient of the logits included, to logits and
    labels, which are there before.

    Args:
        variant: Head and losses.
        settings: What they are given.
        gradient: Takes the gradient of the logits, (N, C, h, w), float32.
    """
    step, found = make_step(variant, settings), []
    peak = peak_memory(lambda: found.append(step()), settings.device)
    terms, slope = found[0]
    torch.save(slope.float().cpu() / loss_scale(settings), gradient)
    terms = {name: float(value) for name, value in terms.items()}
    _return_memory(settings)
    return First(terms, peak)


def time_steps(variant: Variant, settings: Settings) -> list[Timing]:
    """Times steps, forward and backward, for a second, at least one."""
    step, timings = make_step(variant, settings), []
    while not timings or sum(timing.wall for timing in timings) < ROUND:
        cpu, start = time.process_time(), time.perf_counter()
        step()
        if settings.device == 'cuda':
            torch.cuda.synchronize()
        timings.append(Timing(time.perf_counter() - start, time.process_time() - cpu))
    _return_memory(settings)
    return timings


@lru_cache(maxsize=1)
def make_step(
    variant: Variant, settings: Settings
) -> Callable[[], tuple[dict[str, Tensor], Tensor]]:
    """Makes a function that does a step and returns the terms and the gradient of the logits."""
    dtype = getattr(torch, settings.dtype)
    head = variant.build(settings.classes).to(settings.device)
    logits, samples = make_batch(settings)
    logits = logits.to(settings.device, dtype)
    logits = (logits.float() if variant.upcast else logits).requires_grad_()
    half = logits.dtype != torch.float32

    def step() -> tuple[dict[str, Tensor], Tensor]:
        logits.grad = None
        with torch.autocast(settings.device, dtype) if half else nullcontext():
            terms = head.loss_by_feat(logits, samples)
        loss = sum(term for name, term in terms.items() if 'loss' in name)
        (loss * loss_scale(settings)).backward()
        return {name: term.detach() for name, term in terms.items()}, logits.grad

    return step


def make_batch(settings: Settings) -> tuple[Tensor, list[SegDataSample]]:
    """Draws logits, (N, C, h, w), float32, on the CPU, and samples with labels, on the device.

    Labels are blocks of 32x32 pixels of one class; the last rows and columns are ignored.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    shape = settings.images, settings.classes, *settings.logits
    logits = 3 * torch.randn(shape, generator=generator)
    blocks = [-(-side // BLOCK) for side in settings.labels]
    labels = torch.randint(settings.classes, (settings.images, *blocks), generator=generator)
    labels = labels.repeat_interleave(BLOCK, 1).repeat_interleave(BLOCK, 2)
    height, width = settings.labels
    labels = labels[:, :height, :width].clone()
    labels[:, height - round(IGNORED / 2 * height) :] = IGNORE_INDEX
    labels[:, :, width - round(IGNORED / 2 * width) :] = IGNORE_INDEX
    labels = labels.to(settings.device)
    return logits, [
        SegDataSample(gt_sem_seg=PixelData(data=label.unsqueeze(0))) for label in labels
    ]


def loss_scale(settings: Settings) -> float:
    """What the loss is multiplied with before the backward pass."""
    return LOSS_SCALE if settings.dtype == 'float16' else 1.0


def _return_memory(settings: Settings) -> None:
    # other variants' processes are on the same GPU
    if settings.device == 'cuda':
        torch.cuda.empty_cache()
