"""How a network predicts: settings that would fail at the first image of a validation."""

from mmengine.config import Config
from mmseg.models import EncoderDecoder
from mmseg.registry import MODELS

from .config import class_of, networks_of
from .errors import UsageError


def check_test_cfg(cfg: Config) -> None:
    """Checks ``test_cfg`` of segmentors that predict as MMSegmentation's ``EncoderDecoder``.

    A stride above the crop is refused although images up to the crop would go through: a larger one
    would end the run.

    Raises:
        UsageError: An unknown mode, or a slide mode without windows that cover the image.
    """
    for path, network in networks_of(cfg).items():
        kind = class_of(network, MODELS)
        # one with a method of its own has modes of its own, as DepthEstimator
        if getattr(kind, 'inference', None) is EncoderDecoder.inference:
            _check(f'{path}.test_cfg', network.get('test_cfg') or {})


def _check(path: str, test_cfg: dict) -> None:
    mode = test_cfg.get('mode', 'whole')
    if mode not in ('slide', 'whole'):
        raise UsageError(f"{path}.mode={mode!r}: there are 'whole' and 'slide'")
    if mode == 'whole':
        return
    example = "dict(mode='slide', crop_size=(512, 512), stride=(341, 341))"
    for key in ('crop_size', 'stride'):
        sides = test_cfg.get(key)
        if sides is None:
            raise UsageError(f'{path}: mode=slide needs {key}, as {example}')
        pair = isinstance(sides, (list, tuple)) and len(sides) == 2
        if not pair or not all(isinstance(side, int) and side > 0 for side in sides):
            raise UsageError(
                f'{path}.{key}={sides!r}: height and width in pixels, 1 or more each, as {example}'
            )
    crop_size, stride = tuple(test_cfg['crop_size']), tuple(test_cfg['stride'])
    if any(step > side for step, side in zip(stride, crop_size, strict=True)):
        raise UsageError(
            f'{path}: a stride of {stride} leaves gaps between windows of {crop_size}; take a '
            'stride of at most crop_size'
        )
