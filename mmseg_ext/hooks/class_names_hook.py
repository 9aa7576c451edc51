"""Compares the classes that a checkpoint was trained on with those it is tested on."""

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmseg_ext.engine.errors import found_by_all
from mmseg_ext.registry import HOOKS


@HOOKS.register_module()
class ClassNamesHook(Hook):
    """Says before a test whether the checkpoint's class names are those of the data set.

    Numbers decide what a label means, names tell whether that is right. So:

    - As many names, differently spelt in case, spaces or dashes: nothing is said.
    - No names in the checkpoint: the data set's are taken, which is said.
    - As many, others: that is said, at the start and at the end; they may be translations.
    - The same names in another order: every score would be of another class, so the test stops.
    - Another number: the network cannot fit both, so the test stops.

    Attributes:
        written: The warning once more, for the end of the test.

    Raises:
        UsageError: The first difference, and the way out.
    """

    def __init__(self) -> None:
        self.written = ''

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compares the names."""
        data = getattr(runner.test_dataloader.dataset, 'metainfo', {}).get('classes')
        trained = _names_of(checkpoint)
        if not data:
            return
        if not trained:
            runner.logger.info(
                f'the checkpoint names no classes; the {len(data)} of the data set are taken'
            )
            return
        ours, theirs = [[_plain(name) for name in names] for names in (data, trained)]
        if ours == theirs:
            return
        said = f'{runner.cfg.get("load_from")} was trained on other classes than the test set has: '
        if len(ours) != len(theirs):
            raise found_by_all(
                f'{said}{len(theirs)} ({_few(trained)}), not {len(ours)} ({_few(data)}); test it '
                'on its own data set, with num_classes of that in every head'
            )
        first = next(index for index, name in enumerate(ours) if name != theirs[index])
        said += f'class {first} is {trained[first]!r} there, {data[first]!r} here'
        if sorted(ours) == sorted(theirs):
            raise found_by_all(
                f'{said}; the names are the same in another order: set metainfo.classes of '
                "test_dataloader.dataset to the checkpoint's"
            )
        self.written = f'beware: {said}'
        runner.logger.warning(f'{said}; scores mean little unless they are other words for it')


def _names_of(checkpoint: dict) -> Sequence[str]:
    meta = checkpoint.get('meta') or {}
    names = (meta.get('dataset_meta') or {}).get('classes') or meta.get('CLASSES')
    return names if isinstance(names, (list, tuple)) else ()


def _plain(name: str) -> str:
    return ''.join(letter for letter in name.lower() if letter.isalnum()) or name


def _few(names: Sequence[str]) -> str:
    return ', '.join(names[:3]) + ', ...' * (len(names) > 3)
