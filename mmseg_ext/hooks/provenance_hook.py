"""Writes down what a run was made of."""

from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmseg_ext.engine.command import command
from mmseg_ext.records.checksums import data_checksums, loaded_files, weight_sources
from mmseg_ext.records.files import write_json
from mmseg_ext.records.provenance import (
    DIFF_FILE,
    FILE,
    brief,
    device_name,
    git_diff,
    git_state,
    package_git_state,
    versions,
)
from mmseg_ext.records.provenance_reading import read_starts
from mmseg_ext.registry import HOOKS

MAX_DIFF = 2**20  # bytes of the diff that is kept; of a longer one there is the checksum


@HOOKS.register_module()
class ProvenanceHook(Hook):
    """Records command, seed, versions, git state and checksums in the run and each checkpoint.

    ``provenance.json`` holds ``starts``, a dict for each start of the run: ``time`` (its log
    folder), ``command``, ``iter`` (0, or where it was resumed), ``config``, ``seed``,
    ``world_size``, ``batch_size`` (of one process), ``device``, ``versions``, ``git`` (of the
    current folder), ``package_git`` (of this package, if it comes from another checkout), ``data``
    and ``loaded``, the last with ``resume`` for the checkpoint that a resumed run goes on from. A
    resumed run adds its start; a new run in a used folder begins anew. Changes of tracked files
    that were not committed are kept in ``TIME/git.diff``.

    A checkpoint has the dict of its start in ``meta['provenance']``, and the earlier ones in short
    in its ``earlier``; the resolved config is in ``meta['cfg']``.
    """

    priority = 'VERY_LOW'

    def __init__(self):
        self.start: dict = {}

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Gathers everything and writes it; here, because what is loaded has been loaded by now."""
        file = Path(runner.work_dir) / FILE
        earlier = read_starts(file) if runner.iter else []
        start = _gather(runner)
        write_json(file, dict(starts=[*earlier, start]))
        self.start = dict(start, earlier=[brief(each) for each in earlier])
        diff = git_diff(Path.cwd())
        if 0 < len(diff) <= MAX_DIFF:
            (Path(runner.log_dir) / DIFF_FILE).write_bytes(diff)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Puts it into the checkpoint."""
        checkpoint['meta']['provenance'] = self.start


def _gather(runner: Runner) -> dict:
    cfg, loader = runner.cfg, runner.train_dataloader
    git, package_git = git_state(Path.cwd()), package_git_state()
    sources = weight_sources(cfg)
    if runner.iter:
        # the weights come from there alone
        sources = dict(resume=cfg.resume)
    return dict(
        time=runner.timestamp,
        command=command(),
        iter=runner.iter,
        config=Path(cfg.filename or f'{runner.timestamp}.py').name,
        seed=runner.seed,
        world_size=runner.world_size,
        batch_size=getattr(loader.batch_sampler, 'batch_size', None),
        device=device_name(),
        versions=versions(),
        git=git,
        package_git=None if package_git == git else package_git,
        data=data_checksums(cfg),
        loaded=loaded_files(sources),
    )
