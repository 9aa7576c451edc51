"""The full ADE20K, release 2016 or 2021, as the 150 classes of the scene parsing benchmark."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.records.files import read_json, write_json

from .ade20k_check import check_sample, find_extra
from .ade20k_classes import MAX_INDEX, match_names, read_class_names, read_mapping
from .ade20k_index import read_index
from .ade20k_pixels import Rules, Sample, convert_sample
from .ade20k_release import Release, find_release, find_samples
from .ade20k_report import Names, make_report
from .jobs import clear_remains, is_written, run_jobs

RECORD = 'ade20k_full.json'


def convert(
    full: Path,
    out: Path,
    num_processes: int,
    mapping_file: Path | None = None,
    class_file: Path | None = None,
    max_short_side: int = 512,
) -> dict:
    """Writes a full release in the layout of ADEChallengeData2016.

    Images become ``images/SPLIT/NAME.jpg``, labels ``annotations/SPLIT/NAME.png`` with 0 for other
    and 1 to 150. Files that are there already are kept. The report goes to ``ade20k_full.json``.

    The labels of release 2016 are those of the organisers' ``convertFromADE.m``, pixel for pixel;
    see ``ade20k_pixels`` for sizes and sampling. Those of release 2021 are found by object name.

    Args:
        full: Folder of the release.
        out: Folder to write to.
        num_processes: Processes that convert.
        mapping_file: ``mapFromADE.txt``, by default in ``full``. Release 2016 needs it; for release
            2021, which kept the indices of 2016, differences to it are reported.
        class_file: ``objectInfo150.csv``, by default in ``full``. Release 2021 needs it; for
            release 2016 the report has names then.
        max_short_side: Images with a longer short side are reduced to it; 0 keeps every size.

    Returns:
        The report: ``ade20k_report.make_report``, ``images``, the number by split, and ``absent``,
        the images that the index file of release 2021 lists and the folder lacks.

    Raises:
        UsageError: A file is missing, does not read, or is not what it should be, or ``out`` holds
            something else already.
    """
    release, samples, mapping, names, absent = _prepare(full, out, mapping_file, class_file)
    settings = _settings(release, max_short_side, mapping)
    report = _claim(out, settings)
    targets = [path for each in samples for path in (each.out_image, each.out_label)]
    if report and all(map(is_written, targets)):
        return report
    for folder in {out, *(path.parent for path in targets)}:
        folder.mkdir(parents=True, exist_ok=True)
        clear_remains(folder)
    rules = _make_rules(mapping, names, max_short_side)
    counts = run_jobs(partial(convert_sample, rules=rules), samples, num_processes, 'ADE20K')
    report = make_report(counts, mapping, names)
    images = {
        split: sum(each.out_image.parent.name == split for each in samples)
        for split in release.expected
    }
    report = dict(images=images, absent=absent, **report)
    write_json(out / RECORD, dict(settings=settings, report=report))
    return report


def check(
    full: Path,
    out: Path,
    num_processes: int,
    mapping_file: Path | None = None,
    class_file: Path | None = None,
    max_short_side: int = 512,
) -> tuple[list[str], int]:
    """Compares a converted tree with its release: every label anew, every image by its look.

    Returns:
        Faults, one line each, and the number of images that the release has.

    Raises:
        UsageError: As for ``convert``, of the release.
    """
    release, samples, mapping, names, _ = _prepare(full, out, mapping_file, class_file)
    record = read_json(out / RECORD)
    faults = []
    if record.get('settings') != _settings(release, max_short_side, mapping):
        faults.append(f'{out / RECORD} is missing, or was written with other settings')
    elif not record.get('report'):
        faults.append(f'{out / RECORD} holds no report: the conversion was not finished')
    rules = _make_rules(mapping, names, max_short_side)
    found = run_jobs(partial(check_sample, rules=rules), samples, num_processes, 'checking')
    faults += [fault for each in found for fault in each]
    return faults + find_extra(samples, out), len(samples)


def _prepare(
    full: Path, out: Path, mapping_file: Path | None, class_file: Path | None
) -> tuple[Release, list[Sample], dict[int, int], Names, list[str]]:
    release = find_release(full)
    if out.resolve() == full.resolve():
        raise UsageError(f'{out} is the release itself; choose another folder to write to')
    mapping_file = mapping_file or full / 'mapFromADE.txt'
    class_file = class_file or full / 'objectInfo150.csv'
    if release.name == '2016':
        mapping = read_mapping(mapping_file)
        names = Names(classes=read_class_names(class_file) if class_file.is_file() else ())
        return release, find_samples(release, out), mapping, names, []
    classes = read_class_names(class_file)
    index = read_index(full / 'index_ade20k.pkl')
    matches = match_names(index['objectnames'], classes)
    names = Names(classes, index['objectnames'], matches)
    if mapping_file.is_file():
        names.disagreements = _compare(read_mapping(mapping_file), matches.classes, names)
    samples = find_samples(release, out)
    absent = sorted(set(index['filename']) - {each.image.name for each in samples})
    return release, samples, matches.classes, names, absent


def _compare(by_index: Mapping[int, int], by_name: Mapping[int, int], names: Names) -> list[str]:
    lines = []
    for index in sorted({*by_index, *by_name}):
        theirs, ours = by_index.get(index), by_name.get(index)
        if theirs != ours:
            known = index <= len(names.objects)
            what = names.of_object(index) if known else 'an index without name'
            told = [names.of_class(label) if label else 'other' for label in (theirs, ours)]
            lines.append(f'{index} ({what}) is {told[0]} there, {told[1]} by name')
    return lines


def _make_rules(mapping: Mapping[int, int], names: Names, max_short_side: int) -> Rules:
    table = np.zeros(MAX_INDEX + 1, np.uint8)
    table[list(mapping)] = list(mapping.values())
    return Rules(table, len(names.objects) or MAX_INDEX, max_short_side)


def _settings(release: Release, max_short_side: int, mapping: Mapping[int, int]) -> dict:
    classes = {str(index): label for index, label in sorted(mapping.items())}
    return dict(release=release.name, max_short_side=max_short_side, classes=classes)


def _claim(out: Path, settings: Mapping) -> dict | None:
    """Keeps files of two conversions out of one folder; returns the report of a finished one."""
    record = read_json(out / RECORD)
    there = record.get('settings')
    if there is None and _holds_files(out, ('images', 'annotations')):
        raise UsageError(
            f'{out} holds images that this command did not write; choose another folder'
        )
    if there and there != settings:
        changed = ', '.join(key for key in settings if settings[key] != there.get(key))
        raise UsageError(
            f'{out} was converted with another {changed}; choose another folder, or remove it'
        )
    if not there:
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / RECORD, dict(settings=settings))
    return record.get('report')


def _holds_files(out: Path, folders: Sequence[str]) -> bool:
    return any(path.is_file() for folder in folders for path in (out / folder).rglob('*'))
