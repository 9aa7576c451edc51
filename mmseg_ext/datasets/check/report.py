"""The report of a check on a terminal."""

import textwrap

from rich.console import Console
from rich.table import Table

from .check import Report, Summary
from .findings import FAULT, NOTE, WARNING, count

STYLES = {FAULT: 'bold red', WARNING: 'yellow', NOTE: 'dim'}
SHOWN = 5  # files printed below a finding; all are in the JSON


def print_report(report: Report, console: Console) -> None:
    """Prints the splits, the classes and the findings; fits 80 columns, with or without colour."""
    console.print(_splits(report))
    if any(summary.histogram for summary in report.summaries.values()):
        console.print(_classes(report.summaries))
    for finding in report.findings:
        console.print()
        # paths must not be broken in two, nor [0] be taken for markup
        console.print(
            f'{finding.severity}: {finding.where}', style=STYLES[finding.severity],
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
        shown = list(finding.items[:SHOWN])
        if len(finding.items) > SHOWN:
            shown.append(f'and {len(finding.items) - SHOWN:,} more')
        for line in [_fill(finding.message, console.width), *(f'    {item}' for item in shown)]:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    faults, warnings = (report.number(severity) for severity in (FAULT, WARNING))
    read = sum(summary.read for summary in report.summaries.values())
    found = f'{count(faults, "fault")}, {count(warnings, "warning")}'
    console.print(
        f'\n{count(read, "image")} read: {found if faults or warnings else "all right"}',
        style=STYLES[FAULT if faults else WARNING if warnings else NOTE], highlight=False,
    )  # fmt: skip


def _splits(report: Report) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style='bold')
    for heading in ('split', 'images', 'read', 'sizes', 'width', 'height', 'ignored'):
        table.add_column(heading, justify='left' if heading == 'split' else 'right')
    for split, summary in report.summaries.items():
        sizes, histogram = summary.sizes, summary.histogram
        table.add_row(
            split,
            f'{summary.images:,}',
            f'{summary.read:,}',
            f'{sizes.different:,}' if sizes else '',
            _spread(sizes.widths) if sizes else '',
            _spread(sizes.heights) if sizes else '',
            f'{histogram.ignored_share:.1%}' if histogram else 'no labels',
        )
    return table


def _fill(message: str, width: int) -> str:
    return textwrap.fill(
        message, width, initial_indent='  ', subsequent_indent='  ',
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _spread(numbers: tuple[int, int, int]) -> str:
    low, middle, high = numbers
    return str(low) if low == high else f'{low} / {middle} / {high}'


def _classes(summaries: dict[str, Summary]) -> Table:
    histograms = {split: s.histogram for split, s in summaries.items() if s.histogram}
    widest = max(histograms.values(), key=lambda each: len(each.classes))
    with_pixels = len(histograms) < 3  # three splits would not fit
    table = Table(box=None, padding=(0, 1, 0, 0), header_style='bold')
    table.add_column('\n#', justify='right')
    table.add_column('\nclass', no_wrap=True, overflow='ellipsis', max_width=22)
    for split in histograms:
        for heading in ('pixels', 'share', 'images') if with_pixels else ('share', 'images'):
            above = split if heading == 'share' else ''
            table.add_column(f'{above}\n{heading}', justify='right', no_wrap=True)
    for index, name in enumerate(widest.classes):
        row = [str(index), name]
        for histogram in histograms.values():
            row += _cells(histogram, index, with_pixels)
        table.add_row(*row)
    return table


def _cells(histogram, index: int, with_pixels: bool) -> list[str]:
    cells = ['', 'never', '0']
    if index >= len(histogram.pixels):
        cells = ['', '', '']
    elif histogram.pixels[index]:
        share = 100 * histogram.shares[index]
        said = f'{share:.2f}%' if share >= 0.005 else '<0.01%'
        cells = [_short(histogram.pixels[index]), said, f'{histogram.images[index]:,}']
    return cells if with_pixels else cells[1:]


def _short(number: int) -> str:
    for size, letter in ((10**9, 'G'), (10**6, 'M'), (10**3, 'k')):
        if number >= size:
            scaled = number / size
            return f'{scaled:.3g}{letter}' if scaled < 999.5 else f'{scaled:.0f}{letter}'
    return str(number)
