"""The files of a split: written so that a mixture of two splits is never there, and checked."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.records.files import replacing

from .csv_lists import format_rows, parse_rows
from .jobs import clear_remains
from .pairs import Pair

PARTS = ('train', 'val', 'test', 'left_out')


@dataclass(frozen=True)
class SplitFiles:
    """Where and how a split is kept: lists of names, or CSV files.

    Attributes:
        folder: Folder of the files.
        folders: Those of the images and of the label files.
        root: For CSV files, the folder that their paths are relative to; None writes lists.
    """

    folder: Path
    folders: tuple[str, str]
    root: Path | None = None

    def write(self, parts: Mapping[str, Sequence[Pair]], force: bool = False) -> bool:
        """Writes a file for each part.

        Training cannot start on half of it: ``train`` comes last, and files of another split go
        before the first new one comes.

        Returns:
            Whether anything was written; a split that is there already is kept.

        Raises:
            UsageError: Another split is there, or lists cannot say what the pairs are.
        """
        texts = {self._file(part): self._text(pairs) for part, pairs in parts.items()}
        found = {
            file: file.read_bytes().decode('utf-8', 'replace') for file in self._present().values()
        }
        if found == texts:
            return False
        others = [file for file, text in found.items() if text != texts.get(file)]
        if others and not force:
            raise UsageError(
                f'{others[0]} is of another split: its numbers and those to come cannot be '
                'compared. Name another folder, or replace it with --force'
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        clear_remains(self.folder)
        for file in sorted(others, key=list(found).index):  # train first
            file.unlink()
        for part in reversed(PARTS):
            file = self._file(part)
            if file in texts:
                with replacing(file) as part_file:
                    part_file.write_bytes(texts[file].encode())
        return True

    def check(self, pairs: Sequence[Pair]) -> list[str]:
        """Compares the files with the pairs that there are.

        Returns:
            A line for each fault: no training set or nothing beside it, an image without file, in
            two sets, twice in one, with another label file, or in none.
        """
        files = self._present()
        faults = []
        if 'train' not in files or len(files.keys() - {'left_out'}) < 2:
            names = ' and '.join(self._file(part).name for part in ('train', 'val'))
            faults.append(f'{self.folder} holds no split: it needs {names}')
        known = {_plain(pair.image): pair for pair in pairs}
        seen: dict[str, Path] = {}
        for file in files.values():
            try:
                entries = self._read(file, pairs)
            except UsageError as error:
                faults.append(str(error))
                continue
            for shown, image, mask in entries:
                if image in seen:
                    where = 'twice' if seen[image] == file else f'and {seen[image].name}'
                    faults.append(f'{file.name} {where}: {shown}')
                elif image not in known:
                    missing = next((path for path in (image, mask) if not os.path.isfile(path)), '')
                    what = f'there is no {missing}' if missing else 'not among the pairs'
                    faults.append(f'{file.name}: {shown}: {what}')
                elif mask != _plain(known[image].mask):
                    faults.append(f'{file.name}: {shown} has {mask}, not {known[image].mask}')
                seen.setdefault(image, file)
        faults += [f'in no set: {known[image].image}' for image in known if image not in seen]
        return faults

    def config_lines(self, pairs: Sequence[Pair]) -> str:
        """What a config says to read this split: the settings of its training set."""
        root = Path(self.root or os.path.commonpath([_plain(folder) for folder in self.folders]))
        below_here = _below(root, Path())
        root = root.absolute() if below_here.startswith('..') else Path(below_here)
        if self.root:
            dataset = ["type='mmseg_ext.CsvDataset'", f"data_root='{root.as_posix()}'"]
        else:
            img_path, seg_map_path = (_below(Path(folder), root) for folder in self.folders)
            dataset = [
                f"data_root='{root.as_posix()}'",
                f"data_prefix=dict(img_path='{img_path}', seg_map_path='{seg_map_path}')",
                f"img_suffix='{pairs[0].img_suffix}'",
                f"seg_map_suffix='{pairs[0].seg_map_suffix}'",
            ]
        list_path = _below(self._file('train'), root)
        if list_path.startswith('..'):
            list_path = _plain(self._file('train'))
        dataset.append(f"ann_file='{list_path}'")
        return ',\n'.join(dataset) + ','

    def _file(self, part: str) -> Path:
        return self.folder / f'{part}.{"csv" if self.root else "txt"}'

    def _present(self) -> dict[str, Path]:
        files = {part: self._file(part) for part in PARTS}
        return {part: file for part, file in files.items() if file.is_file()}

    def _text(self, pairs: Sequence[Pair]) -> str:
        if self.root:
            return format_rows(
                dict(
                    id=pair.name,
                    img_path=_below(pair.image, self.root),
                    seg_map_path=_below(pair.mask, self.root),
                )
                for pair in pairs
            )
        return ''.join(f'{pair.name}\n' for pair in pairs)

    def _read(self, file: Path, pairs: Sequence[Pair]) -> list[tuple[str, str, str]]:
        """What a message calls an entry, and its two paths, plain."""
        text = file.read_bytes().decode('utf-8', 'replace')
        if self.root:
            rows = parse_rows(text, file, dict(img_path='im_path', seg_map_path='label_path'))
            entries = [(row['img_path'], row['seg_map_path']) for row in rows]
            return [
                (image, *(_plain(self.root / path) for path in (image, mask)))
                for image, mask in entries
            ]
        ends = pairs[0].img_suffix, pairs[0].seg_map_suffix
        return [
            (name, *(_plain(f'{f}/{name}{e}') for f, e in zip(self.folders, ends, strict=True)))
            for name in (line.strip() for line in text.splitlines())
        ]


def check_listable(pairs: Sequence[Pair], *patterns: str) -> None:
    """Raises ``UsageError`` if a list, which holds names alone, cannot say what the pairs are."""
    for pattern in patterns:
        if '*' in pattern:
            raise UsageError(f'lists cannot name files of {pattern}, several folders; use --csv')
    for what in ('img_suffix', 'seg_map_suffix'):
        found = {getattr(pair, what): pair for pair in pairs}
        if len(found) > 1:
            names = ', '.join(sorted(found))
            raise UsageError(f'the files have several ends ({names}), a list only one; use --csv')
    for pair in pairs:
        if pair.name != pair.name.strip() or len(pair.name.splitlines()) > 1:
            raise UsageError(f'a list cannot hold the name {pair.name!r}; use --csv')


def _plain(path: Path | str) -> str:
    return os.path.abspath(path)


def _below(path: Path, root: Path) -> str:
    """The path relative to a folder, as a config or a CSV file says it."""
    return Path(os.path.relpath(path, root)).as_posix()
