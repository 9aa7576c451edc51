"""Writing converted weights, whole or not at all."""

import filecmp
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.prepare.jobs import clear_remains
from mmseg_ext.records.files import replacing

MMSEG_ENDINGS = ('.pth', '.pt')
HUGGING_FACE_ENDINGS = ('.safetensors', '.bin')


def write_weights(
    file: Path, weights: Mapping[str, Tensor], meta: dict | None = None, force: bool = False
) -> None:
    """Writes a checkpoint; the same content gives the same bytes.

    Args:
        file: With ``meta`` a .pth, MMEngine's ``dict(meta, state_dict)``; without a .safetensors,
            or a .bin, the bare dict.
        weights: Tensors by name.
        meta: What the file says of itself.
        force: Replace a file of another content.

    Raises:
        UsageError: The name ends otherwise, or there is a file of another content.
    """
    check_ending(file, MMSEG_ENDINGS if meta is not None else HUGGING_FACE_ENDINGS)
    file.parent.mkdir(parents=True, exist_ok=True)
    clear_remains(file.parent)
    # views would take their whole storages along
    own = {name: tensor.detach().clone().contiguous() for name, tensor in weights.items()}
    with replacing(file, durable=True) as part:
        if file.suffix == '.safetensors':
            from safetensors.torch import save_file

            save_file(own, part, metadata=dict(format='pt'))
        else:
            # torch puts a file's name into the file; an open one has none
            with part.open('wb') as handle:
                torch.save(own if meta is None else dict(meta=meta, state_dict=own), handle)
        if file.exists() and not force and not filecmp.cmp(part, file, shallow=False):
            raise UsageError(
                f'{file} is there already, with another content: choose another name, or replace '
                'it with --force'
            )


def check_ending(file: Path, endings: tuple[str, ...]) -> None:
    """Raises ``UsageError`` if a file's name has none of these endings."""
    if file.suffix not in endings:
        raise UsageError(f'{file}: the name of the file to write has to end in one of '
                         f'{", ".join(endings)}')  # fmt: skip
