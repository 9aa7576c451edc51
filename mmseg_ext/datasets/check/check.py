"""All checks of the data sets of a config, and their result."""

import dataclasses
from dataclasses import dataclass

from mmengine.config import Config

from .findings import FAULT, WARNING, Finding
from .labels import Histogram, check_classes, check_labels, count_labels
from .overlap import check_overlap
from .pairs import check_pairs
from .parts import SPLITS, find_parts
from .scan import scan
from .soundness import Sizes, check_soundness, measure

ORDER = (FAULT, WARNING)


@dataclass(frozen=True)
class Summary:
    """One split in numbers.

    Attributes:
        images: Samples that its datasets list.
        read: Images that were looked at.
        sizes: Of those; None if none could be read.
        histogram: Their labels; None where there are none.
    """

    images: int
    read: int
    sizes: Sizes | None
    histogram: Histogram | None


@dataclass(frozen=True)
class Report:
    """Result of ``check_config``.

    Attributes:
        summaries: By split, those that the config has.
        findings: Faults first, then warnings, then notes.
    """

    summaries: dict[str, Summary]
    findings: list[Finding]

    def number(self, severity: str) -> int:
        """How many findings there are of a severity."""
        return sum(each.severity == severity for each in self.findings)

    def as_dict(self) -> dict:
        """Everything, for ``records.files.write_json``."""
        splits = {}
        for split, summary in self.summaries.items():
            splits[split] = dict(images=summary.images, read=summary.read)
            if summary.sizes:
                splits[split]['sizes'] = dataclasses.asdict(summary.sizes)
            histogram = summary.histogram
            if histogram:
                counts = (histogram.pixels, histogram.shares, histogram.images)
                columns = (histogram.classes, *(each.tolist() for each in counts))
                splits[split].update(
                    ignored_pixels=histogram.ignored,
                    outside_pixels=histogram.outside,
                    classes=[
                        dict(name=name, pixels=pixels, share=share, images=images)
                        for name, pixels, share, images in zip(*columns, strict=True)
                    ],
                )
        return dict(splits=splits, findings=[dataclasses.asdict(each) for each in self.findings])


def check_config(
    cfg: Config, num_processes: int, max_images: int | None = None, pixels: bool = False
) -> Report:
    """Checks the train, val and test data of a config.

    Args:
        cfg: Completed (``complete_config``); its default scope is in force.
        num_processes: Processes that read files.
        max_images: Open so many images of each dataset, evenly spaced; lists are checked in full.
        pixels: Find copies of the same pixels in another file format too.

    Raises:
        UsageError: A dataset lacks its folders or lists, or there is none that can be read here.
    """
    parts, findings = find_parts(cfg)
    findings += check_pairs(parts)
    looked = scan(parts, num_processes, max_images, pixels)
    for part in parts:
        findings += check_soundness(part, looked) + check_labels(part, looked, parts)
    summaries = {}
    for split in SPLITS:
        members = [part for part in parts if part.split == split]
        if members:
            summaries[split] = Summary(
                images=sum(len(part.infos) for part in members),
                read=len({p for part in members for p in part.images if p in looked.images}),
                sizes=measure(members, looked),
                histogram=count_labels(members, looked),
            )
    histograms = {split: s.histogram for split, s in summaries.items() if s.histogram}
    findings += check_classes(histograms, looked.partial) + check_overlap(parts, looked)
    ranks = {severity: rank for rank, severity in enumerate(ORDER)}
    findings.sort(key=lambda each: ranks.get(each.severity, len(ranks)))
    return Report(summaries, findings)
