"""What of the full ADE20K's pixels became one of the 150 classes, and what did not."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .ade20k_classes import NUM_CLASSES, Matches

SHOWN = 20  # object names in the printed table


@dataclass
class Names:
    """Names for a report.

    Attributes:
        classes: Of the 150 classes in order; empty if unknown.
        objects: Of the objects in order of their index; empty if unknown.
        matches: How they were matched; None if a table of indices was given.
        disagreements: One line for each object that a table of indices puts elsewhere.
    """

    classes: Sequence[str] = ()
    objects: Sequence[str] = ()
    matches: Matches | None = None
    disagreements: Sequence[str] = field(default_factory=list)

    def of_class(self, label: int) -> str:
        """Name of a class, 1 to 150."""
        return self.classes[label - 1] if self.classes else f'class {label}'

    def of_object(self, index: int) -> str:
        """Name of an object, from 1."""
        return self.objects[index - 1] if self.objects else f'object {index}'


def make_report(
    counts: Iterable[Mapping[int, int]], mapping: Mapping[int, int], names: Names
) -> dict:
    """Sums up where the pixels of a release went.

    Args:
        counts: Pixels by object index of each image; index 0 is unlabelled.
        mapping: Class by object index.
        names: For reading.

    Returns:
        As it goes into the JSON file; pixels are counted in the release, before any reduction.
    """
    pixels: dict[int, int] = {}
    for each in counts:
        for index, number in each.items():
            pixels[index] = pixels.get(index, 0) + number
    total = sum(pixels.values())
    unlabelled = pixels.get(0, 0)
    labelled = sum(number for index, number in pixels.items() if index in mapping)
    return dict(
        pixels=dict(
            total=total,
            classes=labelled,
            other=total - labelled - unlabelled,
            unlabelled=unlabelled,
        ),
        classes=[_describe_class(label, pixels, mapping, names) for label in _labels()],
        without_name=[names.of_class(label) for label in _missing(names)],
        disagreements=list(names.disagreements),
        other=[
            dict(
                index=index,
                name=names.of_object(index),
                pixels=number,
                shares_a_synonym_with=[names.of_class(label) for label in _similar(index, names)],
            )
            for index, number in sorted(pixels.items(), key=lambda item: (-item[1], item[0]))
            if index and index not in mapping
        ],
    )


def format_report(report: Mapping) -> str:
    """The report as a table to print; the JSON file has all of it."""
    pixels = report['pixels']
    total = max(pixels['total'], 1)

    def line(number: int, text: str) -> str:
        return f'{100 * number / total:8.3f} %  {text}'

    other = report['other']
    lines = [
        f'{pixels["total"]:,} pixels:',
        line(pixels['classes'], f'in the {NUM_CLASSES} classes'),
        line(pixels['other'], f'other: {len(other):,} object names outside them'),
        line(pixels['unlabelled'], 'unlabelled, other as well'),
        'the most frequent others:' if other else 'no others',
    ]
    for each in other[:SHOWN]:
        similar = each['shares_a_synonym_with']
        hint = f'  (not: {"; ".join(similar)})' if similar else ''
        lines.append(line(each['pixels'], each['name'] + hint))
    if len(other) > SHOWN:
        rest = sum(each['pixels'] for each in other[SHOWN:])
        lines.append(line(rest, f'{len(other) - SHOWN:,} more'))
    lines += [f'no object name for class: {name}' for name in report['without_name']]
    for each in report['classes']:
        for source in each['objects']:
            if source['how'] in ('resolved', 'other order'):
                lines.append(f'{source["how"]}: {source["name"]} -> {each["name"]}')
    lines += [f'mapFromADE.txt disagrees: {text}' for text in report['disagreements']]
    never = [each['name'] for each in report['classes'] if each['objects'] and not each['pixels']]
    if never:
        more = f'; and {len(never) - SHOWN} more' if len(never) > SHOWN else ''
        lines.append(f'{len(never)} classes never occur: {"; ".join(never[:SHOWN])}{more}')
    return '\n'.join(lines)


def _describe_class(
    label: int, pixels: Mapping[int, int], mapping: Mapping[int, int], names: Names
) -> dict:
    indices = sorted(index for index, target in mapping.items() if target == label)
    how = names.matches.how if names.matches else {}
    return dict(
        index=label,
        name=names.of_class(label),
        pixels=sum(pixels.get(index, 0) for index in indices),
        objects=[
            dict(index=index, name=names.of_object(index), how=how.get(index, 'index'))
            for index in indices
        ],
    )


def _labels() -> range:
    return range(1, NUM_CLASSES + 1)


def _missing(names: Names) -> list[int]:
    return names.matches.missing if names.matches else []


def _similar(index: int, names: Names) -> list[int]:
    return names.matches.similar.get(index, []) if names.matches else []
