"""The data sets that the loaders of a config consist of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmseg.registry import TRANSFORMS

from mmseg_ext.engine import preflight
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.labels import label_range

from .findings import FAULT, NOTE, WARNING, Finding

SPLITS = ('train', 'val', 'test')


@dataclass(frozen=True)
class Part:
    """One of MMEngine's datasets, out of its wrappers.

    Attributes:
        split: ``train``, ``val`` or ``test``.
        path: Where the config has it: ``train_dataloader.dataset.datasets[0]``.
        dataset: Built, without its pipeline.
        infos: What it says about each sample: ``img_path`` and mostly ``seg_map_path``.
        load_image: The transform of its pipeline that loads images; None without.
        load_label: The one that loads labels; None without.
        limits: Number of classes and the ignored label; None if neither the network nor the dataset
            names classes.
    """

    split: str
    path: str
    dataset: BaseDataset
    infos: Sequence[dict]
    load_image: Callable[[dict], dict] | None
    load_label: Callable[[dict], dict] | None
    limits: tuple[int, int] | None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names; numbers where the dataset has none."""
        named = self.dataset.metainfo.get('classes')
        return tuple(named or map(str, range(self.limits[0] if self.limits else 0)))

    @property
    def images(self) -> list[str]:
        """Paths of the images, in the order of the dataset."""
        return [info['img_path'] for info in self.infos]

    @property
    def masks(self) -> list[str]:
        """Paths of the masks; empty where the pipeline loads no labels."""
        return [info['seg_map_path'] for info in self.infos] if self.has_labels else []

    @property
    def has_labels(self) -> bool:
        """Whether the pipeline loads labels from files of their own."""
        return self.load_label is not None and 'seg_map_path' in self.infos[0]

    def folder(self, key: str) -> Path | None:
        """The folder of images (``img_path``) or masks (``seg_map_path``), if there is one."""
        prefix = (getattr(self.dataset, 'data_prefix', None) or {}).get(key)
        return Path(prefix) if prefix else None


def find_parts(cfg: Config) -> tuple[list[Part], list[Finding]]:
    """Builds the datasets of the train, val and test loaders as the config says them.

    The test set is left out where it is the val set.

    Returns:
        The datasets, and what is wrong with their settings.

    Raises:
        UsageError: There is none that can be read here, or one lacks its folders or lists.
    """
    preflight.check_types(cfg)
    model = cfg.get('model') or {}
    parts, findings = [], []
    _collect(findings, 'model', preflight.check_heads, model)
    for split in SPLITS:
        loader = cfg.get(f'{split}_dataloader')
        if not loader:
            if split != 'test':
                findings.append(
                    Finding(NOTE, 'no-loader', split, f'the config has no {split}_dataloader')
                )
            continue
        found, left_out = find_split(split, loader['dataset'], model)
        if split == 'test' and _samples(found) == _samples(p for p in parts if p.split == 'val'):
            continue
        findings += left_out
        for part in found:
            _collect(findings, part.path, preflight.check_classes, part.path, part.dataset, model)
        parts += found
    if not parts:
        said = '; '.join(f'{each.where}: {each.message}' for each in findings)
        raise UsageError(f'the config has no data set that can be checked here: {said}')
    return parts, findings


def find_split(split: str, dataset: dict, model: dict) -> tuple[list[Part], list[Finding]]:
    """Builds the datasets of one loader, without their pipelines.

    Args:
        split: Its name.
        dataset: Config of the loader's dataset.
        model: Config of the network.

    Returns:
        The datasets, and which could not be built or contradict themselves.

    Raises:
        UsageError: One lacks its folders or lists.
    """
    parts, findings = [], []
    nodes = list(preflight.find_datasets(split, dataset))
    if not nodes:
        findings.append(Finding(
            WARNING, 'not-checked', f'{split}_dataloader.dataset',
            f"type={dataset.get('type')} is none of MMEngine's datasets: not checked",
        ))  # fmt: skip
    for path, node in nodes:
        if preflight.is_remote(node):
            message = f'its data is on a server ({node.get("data_root")}): not checked'
            findings.append(Finding(WARNING, 'not-checked', path, message))
            continue
        built = preflight.build_dataset(path, node)
        infos = [built.get_data_info(index) for index in range(len(built))]
        if any('img_path' not in info for info in infos):
            message = f'type={node["type"]} names no img_path for its samples: not checked'
            findings.append(Finding(WARNING, 'not-checked', path, message))
            continue
        steps = [preflight.find_step(node, 'LoadImageFromFile'), preflight.annotation_loader(node)]
        findings += _contradiction(path, built, steps[1])
        loaders = [TRANSFORMS.build(step) if step else None for step in steps]
        classes = built.metainfo.get('classes')
        own = (len(classes), getattr(built, 'ignore_index', 255)) if classes else None
        parts.append(Part(split, path, built, infos, *loaders, label_range(model) or own))
    return parts, findings


def _contradiction(path: str, dataset: BaseDataset, step: dict | None) -> list[Finding]:
    said = (step or {}).get('reduce_zero_label')
    own = getattr(dataset, 'reduce_zero_label', None)
    if said is None or own is None or said == own:
        return []
    message = (
        f'reduce_zero_label={own} in the dataset, {said} in its LoadAnnotations, which then stops '
        'at the first sample; set it in the dataset alone'
    )
    return [Finding(FAULT, 'reduce-zero-label', path, message)]


def _collect(findings: list[Finding], where: str, check: Callable, *args) -> None:
    try:
        check(*args)
    except UsageError as error:
        findings.append(Finding(FAULT, 'classes', where, str(error)))


def _samples(parts) -> list[tuple]:
    return [
        (info['img_path'], info.get('seg_map_path'), info.get('reduce_zero_label'))
        for part in parts
        for info in part.infos
    ]
