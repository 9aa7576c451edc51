"""Samples as training and evaluation see them: after the pipeline, and after each of its steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.dataset import Compose
from mmseg.registry import DATASETS

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare.jobs import run_jobs

from .bad_samples import find_leaves
from .check.files import MaskJob, look_at
from .check.parts import Part
from .seeded_dataset import Draw, SeededDataset


@dataclass(frozen=True)
class Stage:
    """A sample after one transform.

    Attributes:
        name: Of the transform.
        image: (H, W, 3), uint8, RGB; None before one is loaded.
        label: (H, W), integer; None before one is loaded.
    """

    name: str
    image: np.ndarray | None
    label: np.ndarray | None

    def equals(self, other: 'Stage | None') -> bool:
        """Whether image and label are the same."""
        return other is not None and all(
            (a is None) == (b is None) and (a is None or np.array_equal(a, b))
            for a, b in ((self.image, other.image), (self.label, other.label))
        )


@dataclass(frozen=True)
class Sample:
    """A sample on its way.

    Attributes:
        name: Of its image.
        stages: After each transform that looks at single images.
        final: What the dataset returned; where the data preprocessor works on it, what that made.
        partner: Of a blend of two images the share of its own labels, and the other's labels,
            (H, W), integer.
    """

    name: str
    stages: Sequence[Stage]
    final: Stage
    partner: tuple[float, np.ndarray] | None = None

    @property
    def image(self) -> np.ndarray | None:
        """The image as it was loaded."""
        return next((stage.image for stage in self.stages if stage.image is not None), None)

    @property
    def label(self) -> np.ndarray | None:
        """The label as it was loaded."""
        return next((stage.label for stage in self.stages if stage.label is not None), None)


class Browser:
    """Draws samples from a loader's dataset, as ``mmseg_ext.Runner`` builds it.

    Args:
        dataset: Config of the dataset, wrappers included.
        seed: Of the run; the samples are then those of its first epoch.
        is_bgr: Whether the pipeline's images are BGR, as MMSegmentation loads them.
    """

    def __init__(self, dataset: dict, seed: int = 0, is_bgr: bool = True) -> None:
        self.dataset = SeededDataset(DATASETS.build(dataset))
        self.seed = seed
        self.is_bgr = is_bgr
        self.recorder = _Recorder(is_bgr)
        for leaf in find_leaves(self.dataset):
            leaf.pipeline = _Recording(leaf.pipeline, self.recorder)

    def __len__(self) -> int:
        return len(self.dataset)

    def load(self, index: int) -> Sample:
        """Loads a sample.

        Raises:
            UsageError: It does not load, or its pipeline does not end in ``PackSegInputs``.
        """
        return self.load_packed(index)[0]

    def load_packed(self, index: int) -> tuple[Sample, dict]:
        """Loads a sample as ``load`` does; returns what the dataset made of it, too."""
        self.recorder.runs.clear()
        path = self.dataset.get_data_info(index).get('img_path', f'sample {index}')
        try:
            packed = self.dataset[Draw(index, (self.seed, 0, 0, index))]
        # a damaged file, a size that a transform cannot take: whatever it is, say where
        except Exception as error:
            raise UsageError(
                f'{path} does not pass the pipeline: {type(error).__name__}: {error}; '
                'tools/analysis_tools/check_dataset.py looks at every file'
            ) from error
        inputs = packed.get('inputs') if isinstance(packed, dict) else None
        if not isinstance(inputs, torch.Tensor) or 'data_samples' not in packed:
            raise UsageError('the pipeline must end in PackSegInputs, and be none for TTA')
        sample = packed['data_samples']
        label = sample.gt_sem_seg.data.squeeze(0).numpy() if 'gt_sem_seg' in sample else None
        image = to_rgb(inputs.numpy().transpose(1, 2, 0), self.is_bgr)
        # a dataset that mixes several images loads the one that it was asked for first
        stages = self.recorder.runs[0] if self.recorder.runs else []
        name = Path(sample.get('img_path', path)).name
        return Sample(name, stages, Stage('input', image, label)), packed

    def spread(self, number: int, masks: set[str] | None = None) -> list[int]:
        """Indices spread evenly over the dataset.

        Args:
            number: How many, or fewer if there are not so many.
            masks: Take samples with one of these label files only, each file once.
        """
        indices = list(range(len(self)))
        if masks is not None:
            files = {
                self.dataset.get_data_info(i).get('seg_map_path'): i for i in reversed(indices)
            }
            indices = sorted(index for file, index in files.items() if file in masks)
        chosen = np.linspace(0, len(indices) - 1, min(number, len(indices))).round().astype(int)
        return [indices[i] for i in chosen]


def masks_with_class(parts: Sequence[Part], name: str, num_processes: int) -> set[str]:
    """Paths of the label files that hold a class.

    Raises:
        UsageError: There is no such class, or no file holds it.
    """
    found: set[str] = set()
    for part in parts:
        if name not in part.classes:
            raise UsageError(f'{part.path} has no class {name}; it has {", ".join(part.classes)}')
        jobs = [MaskJob(info, part.load_label) for info in part.infos] if part.has_labels else []
        looks = run_jobs(look_at, jobs, num_processes, f'looking for {name}')
        index = part.classes.index(name)
        found |= {
            job.info['seg_map_path']
            for job, look in zip(jobs, looks, strict=True)
            if index in look.labels
        }
    if not found:
        raise UsageError(f'no label of the data set holds {name}')
    return found


def to_rgb(image: np.ndarray, is_bgr: bool) -> np.ndarray:
    """Makes an image of a pipeline one to look at.

    Args:
        image: (H, W) or (H, W, C): C is 1, or its first three channels are colours. Values from 0
            to 255; others, of a normalised image, are stretched to that.
        is_bgr: Whether the order is blue, green, red.

    Returns:
        (H, W, 3), uint8, RGB.
    """
    image = image.reshape(*image.shape[:2], -1)
    image = np.repeat(image[..., :1], 3, -1) if image.shape[-1] < 3 else image[..., :3]
    if image.min(initial=0) < 0 or image.max(initial=0) > 255:
        image = image - image.min()
        image = 255 * image / image.max()
    image = image.round().astype(np.uint8)
    return image[..., ::-1] if is_bgr else image


class _Recorder:
    """Keeps the stages of each run through a pipeline."""

    def __init__(self, is_bgr: bool) -> None:
        self.is_bgr = is_bgr
        self.runs: list[list[Stage]] = []

    def look(self, name: str, data: dict) -> Stage:
        image, label = data.get('img'), data.get('gt_seg_map')
        # copies: some transforms change arrays in place
        return Stage(
            name,
            to_rgb(image, self.is_bgr).copy() if isinstance(image, np.ndarray) else None,
            label.copy() if isinstance(label, np.ndarray) else None,
        )


class _Recording(Compose):
    """A pipeline that shows each of its stages to a recorder."""

    def __init__(self, pipeline: Compose, recorder: _Recorder) -> None:
        super().__init__(pipeline.transforms)
        self.recorder = recorder

    def __call__(self, data: dict) -> dict | None:
        stages = []
        for transform in self.transforms:
            data = transform(data)
            if data is None:
                return None
            if 'img' in data or 'gt_seg_map' in data:
                stages.append(self.recorder.look(type(transform).__name__, data))
        self.recorder.runs.append(stages)
        return data
