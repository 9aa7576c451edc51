"""Which checkpoint a resumed run goes on from."""

from pathlib import Path

from mmengine.config import Config
from mmengine.dist import broadcast_object_list, is_main_process

from .checkpoint.files import find_fault, find_newest_whole
from .checkpoint.form import check_checkpoint_file
from .errors import UsageError


def resolve_resume(cfg: Config) -> list[str]:
    """Puts the file that ``cfg.resume`` means into ``cfg.load_from``, where MMEngine takes it from.

    ``resume=True`` means the newest whole checkpoint of the run's own folder, also where
    the config has a ``load_from``: that is what a fine-tuning began with. Only in a folder without
    checkpoints it means ``load_from``, as in MMEngine. ``resume='FILE'`` means that file.

    Returns:
        What there is to say about the choice, for the log.

    Raises:
        UsageError: The file is missing or torn, or the folder holds torn ones only.
    """
    if not cfg.get('resume'):
        return []
    if isinstance(cfg.resume, str):
        check_checkpoint_file('--resume', cfg.resume)
        fault = find_fault(Path(cfg.resume)) if is_main_process() else None
        if fault:
            raise UsageError(f'--resume: {cfg.resume} is torn: {fault}; take another one')
        cfg.load_from, cfg.resume = cfg.resume, True
        return []
    found = [None, []]
    error = None
    if is_main_process():
        try:
            path, notes = find_newest_whole(cfg.work_dir)
            found = [path and str(path), notes]
        except UsageError as fault:
            error = str(fault)
    # one process chooses: on a shared disk another might not see the newest file yet
    answer = [found, error]
    broadcast_object_list(answer)
    (path, notes), error = answer
    if error:
        raise UsageError(error)
    if path:
        cfg.load_from = path
    elif cfg.get('load_from'):
        notes = [
            f'{cfg.work_dir} has no checkpoint: the run that made load_from={cfg.load_from} is '
            'resumed; to fine-tune from it instead, leave out --resume'
        ]
    else:
        cfg.resume = False
        notes = [f'{cfg.work_dir} has no checkpoint to resume: starting anew']
    return notes
