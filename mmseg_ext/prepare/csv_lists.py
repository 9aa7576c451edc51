"""Lists of images as CSV files, as WildScenes has them: ``id,im_path,label_path``."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from mmseg_ext.engine.errors import UsageError

# What the fields of MMSegmentation's samples are called in WildScenes' files.
COLUMNS = {'id': 'id', 'img_path': 'im_path', 'seg_map_path': 'label_path'}


def parse_rows(
    text: str, file: str | Path, columns: Mapping[str, str] = COLUMNS
) -> list[dict[str, str]]:
    """Reads the wanted columns of a CSV file.

    Args:
        text: Its content; a byte order mark, which spreadsheets write, is skipped.
        file: Its name, for messages.
        columns: By what a row calls it, the name of the column.

    Returns:
        A dict for each row, in the order of the file.

    Raises:
        UsageError: There is no row, a column is missing, a cell is empty, or an id comes twice.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix('\ufeff'), newline=''))
    header = reader.fieldnames or []
    for column in columns.values():
        if column not in header:
            raise UsageError(
                f'{file} has no column {column}; its first line is {",".join(header) or "empty"}'
            )
    rows, lines = [], {}
    for row in reader:
        where = f'{file}, line {reader.line_num}'
        for column in columns.values():
            if not row[column]:
                raise UsageError(f'{where}: no {column}')
        rows.append({key: row[column] for key, column in columns.items()})
        if 'id' in columns:
            first = lines.setdefault(rows[-1]['id'], reader.line_num)
            if first != reader.line_num:
                raise UsageError(f'{where}: {rows[-1]["id"]} is in line {first} already')
    if not rows:
        raise UsageError(f'{file} lists no image')
    return rows


def format_rows(rows: Iterable[Mapping[str, str]], columns: Mapping[str, str] = COLUMNS) -> str:
    """Writes rows as ``parse_rows`` returns them; it reads the text back to the same."""
    text = io.StringIO(newline='')
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(columns.values())
    writer.writerows([row[key] for key in columns] for row in rows)
    return text.getvalue()
