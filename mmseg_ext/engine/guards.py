"""What the guards of data, loading and resuming insist on."""

import dataclasses
import difflib

from mmengine.config import Config

from .errors import UsageError


@dataclasses.dataclass(frozen=True)
class Guards:
    """The settings in a config's ``guards``; the tools' switches set them for one run.

    Attributes:
        allow_overlap: Train although validation images are in the training set, or images count
            twice (``--allow-overlap``).
        backbone_share: Share of the backbone's tensors that ``load_from`` and ``init_cfg`` have to
            fill when training, 0 to 1.
        network_share: Share of the network's tensors that a checkpoint has to fill to be evaluated
            or resumed, 0 to 1.
        allow_missing: Report what did not load, and go on (``--allow-missing``).
        unsafe_load: Load files that hold more than tensors and plain data; such a file can run any
            program (``--unsafe-load``).
        resume_anyway: Resume although settings were changed that the checkpoint overrules
            (``--resume-anyway``).
        strict: Stop where the fine-tune guard would only warn (``--strict``).
        peak_rate_ratio: Learning rate against that of the loaded checkpoint's schedule, from which
            the fine-tune guard speaks.
        max_bad_samples: Images and masks that may fail to load in training; others take their
            places (``BadSamplesHook``). 0 stops at the first.
    """

    allow_overlap: bool = False
    backbone_share: float = 0.9
    network_share: float = 1.0
    allow_missing: bool = False
    unsafe_load: bool = False
    resume_anyway: bool = False
    strict: bool = False
    peak_rate_ratio: float = 5.0
    max_bad_samples: int = 0


def read_guards(cfg: Config) -> Guards:
    """Reads ``cfg.guards``, defaults filled in.

    Raises:
        UsageError: A name that no guard knows, or a value that it cannot take.
    """
    given = dict(cfg.get('guards') or {})
    known = [field.name for field in dataclasses.fields(Guards)]
    for name in given:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f'did you mean {nearest[0]}?' if nearest else f'there are {", ".join(known)}'
            raise UsageError(f'guards.{name} has no effect; {hint}')
    guards = Guards(**given)
    for name in ('backbone_share', 'network_share'):
        if not 0 <= getattr(guards, name) <= 1:
            raise UsageError(f'guards.{name}={getattr(guards, name)} is not between 0 and 1')
    if not isinstance(guards.max_bad_samples, int) or guards.max_bad_samples < 0:
        raise UsageError(f'guards.max_bad_samples={guards.max_bad_samples} is no number of samples')
    hooks = cfg.get('default_hooks') or {}
    if guards.max_bad_samples and hooks.get('bad_samples', True) is None:
        raise UsageError(
            'guards.max_bad_samples needs default_hooks.bad_samples, which counts them'
        )
    return guards
