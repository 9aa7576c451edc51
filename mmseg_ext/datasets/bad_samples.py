"""Samples that do not load: named, or replaced by others and told."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sized
from typing import TYPE_CHECKING

import numpy as np
from mmcv.transforms import LoadAnnotations, LoadImageFromFile
from mmengine.dataset import Compose
from PIL import UnidentifiedImageError

from mmseg_ext.engine.errors import UsageError, one_line

if TYPE_CHECKING:
    from .seeded_dataset import Draw

# a set of few files, each of them many times, may give the same bad one again and again
MAX_DRAWS = 100

WAY_OUT = 'python tools/analysis_tools/check_dataset.py CONFIG names all such files'

# What no file is to blame for: the code of a transform, a package that it lacks, the machine. What
# is left is what decoders raise, and transforms on pixels that they did not expect.
NOT_OF_A_FILE = (
    AttributeError, ImportError, MemoryError, NameError, NotImplementedError, TypeError,
)  # fmt: skip


def load_named(dataset: Sized, draw: Draw, load: Callable[[Draw], dict]) -> dict:
    """Loads a sample, or says which one does not load.

    Args:
        dataset: The dataset.
        draw: The sample.
        load: Loads it.

    Raises:
        UsageError: What the user can mend: that a loading transform fails on a file, for one.
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
        paths = find_paths(dataset, draw)
        file = find_culprit(paths, error)
        if file or is_of_code(error):
            raise name_error(file or paths[0], error) from error
        raise RuntimeError(_say(paths[0], error)) from error


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
        RuntimeError: The pipeline's code fails (``NOT_OF_A_FILE``): nothing is replaced for that.
    """
    failed = {}
    for candidate in _candidates(draw, len(dataset)):
        try:
            sample = load(candidate)
        # whatever a damaged file makes a decoder or a transform raise; BadSamplesHook logs it
        except Exception as error:
            paths = find_paths(dataset, candidate)
            file = find_culprit(paths, error) or paths[0]
            if is_of_code(error):
                raise name_error(file, error) from error
            is_said = isinstance(error, UsageError)
            failed[paths[0]] = one_line(error) if is_said else _say(file, error)
            if len(failed) > allowed:
                break
        else:
            if failed:
                _stamp(sample, failed)
            return sample
    raise too_many(failed, allowed)


def is_of_code(error: Exception) -> bool:
    """Whether an error tells of a broken pipeline or machine, and not of a file."""
    # a decoder that gives up returns None, of which the stock loaders then want an attribute
    if isinstance(error, AttributeError) and error.obj is None and error.name is not None:
        return False
    return isinstance(error, NOT_OF_A_FILE)


def find_culprit(paths: list[str], error: Exception) -> str | None:
    """The file that a loading transform, stock or ours, failed on; None if it failed elsewhere.

    Args:
        paths: The files of the sample, its image first.
        error: As it was caught.
    """
    for frame, _ in traceback.walk_tb(error.__traceback__):
        step = frame.f_locals.get('self')
        if isinstance(step, LoadImageFromFile):
            return paths[0]
        if isinstance(step, LoadAnnotations):
            return paths[-1]
    return None


def name_error(file: str, error: Exception) -> RuntimeError:
    """The error that names the file of another one, to be raised from it.

    Args:
        file: The file, or the sample.
        error: Of a loading transform, or of code.
    """
    if is_of_code(error):
        kind = type(error).__name__
        return RuntimeError(f'the pipeline fails, at {file}: {kind}: {one_line(error)}')
    return UsageError(f'{_say(file, error)}; {WAY_OUT}')


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


def _say(file: str, error: Exception) -> str:
    # Pillow's message has the address of a buffer, and no more
    is_bare = isinstance(error, UnidentifiedImageError)
    said = 'it is empty, damaged or no image' if is_bare else one_line(error)
    return f'{file} does not load: {type(error).__name__}: {said}'


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
