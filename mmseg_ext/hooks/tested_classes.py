"""The classes of a test, as the hooks that draw its images need them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmengine.runner import Runner


@dataclass(frozen=True)
class TestedClasses:
    """Classes of the test's data set.

    Attributes:
        names: Of all classes.
        palette: One RGB triple a class.
        ignore_index: Label that does not count, as the first metric has it.
        chosen: Indices of the classes that are looked at.
    """

    __test__ = False  # no test of pytest's

    names: Sequence[str]
    palette: Sequence[Sequence[int]]
    ignore_index: int
    chosen: Sequence[int]

    @classmethod
    def of(cls, runner: Runner, chosen: Sequence[str] | None = None) -> TestedClasses:
        """Those of a Runner whose test begins.

        Args:
            runner: The Runner.
            chosen: Names of the classes that are looked at; default all.
        """
        dataset = runner.test_dataloader.dataset
        names, palette = dataset.metainfo['classes'], dataset.metainfo['palette']
        metrics = runner.test_evaluator.metrics
        ignored = [metric.ignore_index for metric in metrics if hasattr(metric, 'ignore_index')]
        default = getattr(dataset, 'ignore_index', 255)
        indices = [list(names).index(name) for name in (names if chosen is None else chosen)]
        return cls(names, palette, ignored[0] if ignored else default, indices)
