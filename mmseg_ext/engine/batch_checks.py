"""Checks of what a config leaves to the data preprocessor."""

from collections.abc import Iterator

from mmengine.config import Config
from mmengine.registry import Registry
from mmseg.registry import MODELS, TRANSFORMS

from .config import class_of, find_dicts
from .errors import UsageError
from .labels import find_heads, label_range
from .pipeline_checks import find_deferred

OURS = 'mmseg_ext.SegDataPreProcessor'


def check_batches(cfg: Config) -> None:
    """Checks that training does with a batch what the config says.

    Raises:
        UsageError: Something is left to a data preprocessor or a head that would ignore it, or
            images shall be mixed that come alone.
    """
    if not cfg.get('train_cfg'):
        return
    from mmseg_ext.transforms import CopyPaste, MixUp

    model = cfg.get('model') or {}
    preprocessor = model.get('data_preprocessor') or {}
    augments = preprocessor.get('batch_augments') or []
    loader = cfg.get('train_dataloader') or {}
    if not is_ours(preprocessor):
        for path, what in _left_to_the_device(loader, augments):
            raise UsageError(
                f'{path}: {what} needs our data preprocessor, not {preprocessor.get("type")}; '
                f"set model.data_preprocessor.type='{OURS}'"
            )
        return
    try:
        MODELS.build(preprocessor)
    except (AssertionError, TypeError, ValueError) as error:
        raise UsageError(f'model.data_preprocessor does not build: {error}') from error
    if augments and loader.get('batch_size') == 1:
        raise UsageError(
            'train_dataloader.batch_size=1: batch_augments mix the images of a batch; set '
            'train_dataloader.batch_size=2 or more, or model.data_preprocessor.batch_augments=None'
        )
    for index, augment in enumerate(augments):
        path = f'model.data_preprocessor.batch_augments[{index}]'
        if _is_a(augment, CopyPaste, TRANSFORMS):
            _check_classes(path, augment['classes'], model)
        if _is_a(augment, MixUp, TRANSFORMS):
            _check_heads(path, model)


def is_ours(preprocessor: dict | None) -> bool:
    """Whether a data preprocessor's config is of our class, or of one derived from it."""
    from mmseg_ext.models import SegDataPreProcessor  # brings every network of MMSegmentation

    return _is_a(preprocessor or {}, SegDataPreProcessor, MODELS)


def _is_a(node: dict, parent: type, registry: Registry) -> bool:
    kind = class_of(node, registry)
    return isinstance(kind, type) and issubclass(kind, parent)


def _left_to_the_device(loader: dict, augments: list[dict]) -> Iterator[tuple[str, str]]:
    """Yields dotted path and name of everything that only our data preprocessor does."""
    from mmseg_ext.transforms import PackSegInputs

    if augments:
        yield 'model.data_preprocessor.batch_augments', 'mixing the images of a batch'
    for path, step in find_deferred(dict(train_dataloader=loader)):
        yield f'{path}.on_device=True', _name(step)
    for path, step in find_dicts(dict(train_dataloader=loader), 'type'):
        if 'pipeline[' in path and _is_a(step, PackSegInputs, TRANSFORMS):
            yield path, 'mmseg_ext.PackSegInputs'


def _check_classes(path: str, classes: list[int], model: dict) -> None:
    limits = label_range(model)
    outside = [label for label in classes if limits and label >= limits[0]]
    if outside:
        raise UsageError(
            f'{path}.classes={classes}: the network has {limits[0]} classes, so {outside} would '
            f'never be pasted; 0 to {limits[0] - 1} are allowed'
        )


def _check_heads(path: str, model: dict) -> None:
    from mmseg_ext.models.decode_heads.low_memory_mixin import LowMemoryMixin

    for head, node in find_heads(model).items():
        if not _is_a(node, LowMemoryMixin, MODELS):
            raise UsageError(
                f'{path}: MixUp gives each pixel two labels, and {head}.type={node["type"]} would '
                'ignore the second; take mmseg_ext.SegformerHead, UPerHead, ASPPHead or FCNHead, '
                'or mmseg_ext.CutMix, which any head can take'
            )


def _name(node: dict) -> str:
    kind = node['type']
    return kind.rpartition('.')[2] if isinstance(kind, str) else kind.__name__
