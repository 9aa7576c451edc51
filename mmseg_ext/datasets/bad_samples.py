"""Samples that do not load: named, or replaced by others and told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sized
from typing import TYPE_CHECKING

import numpy as np
from mmengine.dataset import Compose

from mmseg_ext.engine.errors import UsageError, one_line

if TYPE_CHECKING:
    from .seeded_dataset import Draw

# a set of few files, each of them many times, may give the same bad one again and again
MAX_DRAWS = 100


def load_named(dataset: Sized, draw: Draw, load: Callable[[Draw], dict]) -> dict:
    """Loads a sample, or says which one does not load.

    Args:
        dataset: The dataset.
        draw: The sample.
        load: Loads it.

    Raises:
        UsageError: What the user can mend.
        RuntimeError: Another error, which was its cause.
    """
    try:
        return load(draw)
    except UsageError as error:
        paths = find_paths(dataset, draw)
        if any(path in str(error) for path in paths):
            raise
        raise UsageError(f'{paths[0]}: {error}') from error
    except Exception as error:
        name, kind = find_paths(dataset, draw)[0], type(error).__name__
        raise RuntimeError(f'{name} does not load: {kind}: {one_line(error)}') from error


def load_or_replace(dataset: Sized, draw: Draw, load: Callable[[Draw], dict], allowed: int) -> dict:
    """Loads a sample, or another one that depends on the draw's seed alone.

    The data sample of a replacement says in its metainfo ``replaced`` what failed: pairs of a path
    and the reason.

    Args:
        dataset: The dataset.
        draw: The sample.
        load: Loads one.
        allowed: How many files may fail.

    Raises:
        UsageError: More files than that fail in this draw, or the pipeline makes no data samples.
    """
    failed = {}
    for candidate in _candidates(draw, len(dataset)):
        try:
            sample = load(candidate)
        # whatever a damaged file makes a decoder or a transform raise; BadSamplesHook logs it
        except Exception as error:
            failed[find_paths(dataset, candidate)[0]] = one_line(error)
            if len(failed) > allowed:
                break
        else:
            if failed:
                _stamp(sample, failed)
            return sample
    raise too_many(failed, allowed)


def too_many(failed: Mapping[str, str], allowed: int) -> UsageError:
    """The error for more bad samples than a run may replace.

    Args:
        failed: The reason for each path.
        allowed: How many there may be.
    """
    said = '; '.join(describe(path, reason) for path, reason in failed.items())
    noun = 'sample does not load' if len(failed) == 1 else 'samples do not load'
    return UsageError(f'{len(failed)} {noun}, guards.max_bad_samples={allowed}: {said}')


def describe(path: str, reason: str) -> str:
    """Path and reason, the path once."""
    return reason if path in reason else f'{path}: {reason}'


def find_paths(dataset: Sized, index: int) -> list[str]:
    """The files of a sample, its image first; its number where the dataset does not tell."""
    info = dataset.get_data_info(int(index)) if hasattr(dataset, 'get_data_info') else {}
    paths = [info[key] for key in ('img_path', 'seg_map_path') if info.get(key)]
    return paths or [f'sample {int(index)}']


def find_leaves(dataset: Sized) -> Iterator[Sized]:
    """The datasets under wrappers, which have a pipeline of their own."""
    inner = getattr(dataset, 'datasets', None) or (
        [dataset.dataset] if hasattr(dataset, 'dataset') else []
    )
    for part in inner:
        yield from find_leaves(part)
    if not inner and isinstance(getattr(dataset, 'pipeline', None), Compose):
        yield dataset


def _candidates(draw: Draw, length: int) -> Iterator[Draw]:
    yield draw
    generator = np.random.default_rng(draw.seed)
    for _ in range(1, MAX_DRAWS):
        yield type(draw)(int(generator.integers(length)), draw.seed)


def _stamp(sample: dict, failed: Mapping[str, str]) -> None:
    data_sample = sample.get('data_samples') if isinstance(sample, dict) else None
    if not hasattr(data_sample, 'set_metainfo'):
        raise UsageError(
            'guards.max_bad_samples needs a pipeline that ends in PackSegInputs, to tell what was '
            f'replaced: {"; ".join(describe(*item) for item in failed.items())}'
        )
    data_sample.set_metainfo(dict(replaced=list(failed.items())))
