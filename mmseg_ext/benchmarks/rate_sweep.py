"""One leaf fine-tuned from a checkpoint at several learning rates."""

import math
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from mmseg_ext.engine.checkpoint.reading import read_checkpoint
from mmseg_ext.engine.config import load_config
from mmseg_ext.engine.config_text import parse_config_text
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.guards import read_guards
from mmseg_ext.hooks.fine_tune_guard_hook import COLLAPSED, PEAK_SAID, SCORE_SAID, score_of
from mmseg_ext.records.history import find_logs, read_scalars, read_validations

from .training import train_all


def sweep_rates(
    config: str,
    load_from: str | None,
    seeds: Sequence[int],
    work_dirs: Path,
    options: dict,
    *,
    rates: Sequence[float] = (),
    factors: Sequence[float] = (),
) -> dict:
    """Fine-tunes a leaf from a checkpoint at each learning rate; each is a run of its own.

    The fine-tune guard warns and does not stop, whatever ``guards.strict`` of the leaf says.

    Args:
        config: The leaf.
        load_from: The checkpoint; None: the leaf's own.
        seeds: Of ``randomness``.
        work_dirs: Takes the config and the folder of each run. Finished runs are not repeated.
        options: Dotted keys and values that change the leaf in all runs.
        rates: Values of ``optim_wrapper.optimizer.lr``.
        factors: The same, as multiples of the leaf's own.

    Returns:
        What ``train_all`` returns, and ``before``, as ``describe_checkpoint`` gives it;
        ``speaks_from``: ``guards.peak_rate_ratio``. To each of its ``runs``, which says by name
        (``lr0.06``) under ``rate`` what it varies, ``describe_run`` adds the number as ``lr``, and
        what came of it.

    Raises:
        UsageError: Rates or factors that are none, no checkpoint, one without an mIoU to lose on
            record, or what ``train_all`` raises.
    """
    cfg = load_config(config, options)
    chosen = choose_rates(cfg, rates, factors)
    source = load_from or cfg.get('load_from')
    if not source:
        raise UsageError(f'{config} starts from no checkpoint: name one with --load-from')
    before = describe_checkpoint(source)
    named = {f'lr{rate:g}': rate for rate in chosen}
    variants = {name: rate_changes(rate, source) for name, rate in named.items()}
    result = train_all('rate', config, variants, seeds, work_dirs, options)
    for run in result['runs']:
        run.update(describe_run(Path(run['work_dir']), named[run['rate']], before))
    return dict(
        result,
        benchmark='rate-sweep',
        before=before,
        speaks_from=read_guards(cfg).peak_rate_ratio,
    )


def choose_rates(cfg: Config, rates: Sequence[float], factors: Sequence[float]) -> list[float]:
    """The learning rates of a sweep, in rising order.

    Raises:
        UsageError: Both or none are given, one is not above 0, or the leaf has no rate to multiply.
    """
    if bool(rates) == bool(factors):
        raise UsageError('give learning rates or factors on the one of the config, one of the two')
    for number in (*rates, *factors):
        if not (number > 0 and math.isfinite(number)):
            raise UsageError(f'{number:g} is no learning rate, and no factor: it has to be above 0')
    own = ((cfg.get('optim_wrapper') or {}).get('optimizer') or {}).get('lr')
    if factors and not isinstance(own, (int, float)):
        raise UsageError(f'{cfg.filename} has no optim_wrapper.optimizer.lr: give rates')
    # by their printed form, which names the runs: 0.3 * 0.006 is not 0.0018
    return sorted({float(f'{rate:g}') for rate in rates or [own * each for each in factors]})


def rate_changes(rate: float, load_from: str) -> dict:
    """What a rate changes in a leaf."""
    return dict(
        load_from=load_from, optim_wrapper=dict(optimizer=dict(lr=rate)), guards=dict(strict=False)
    )


def describe_checkpoint(source: str) -> dict:
    """What a checkpoint reached, and at which rate.

    Args:
        source: As for ``read_checkpoint``.

    Returns:
        ``file``; ``mIoU`` in percent, as the fine-tune guard's ``score_of`` finds it; ``lr``: of
        its optimizer, None if it does not say.

    Raises:
        UsageError: No such file, or no mIoU above 0.
    """
    checkpoint = read_checkpoint(source)
    old = parse_config_text((checkpoint.get('meta') or {}).get('cfg') or '')
    score = score_of(source, checkpoint, old)
    if score is None or not score > 0:
        raise UsageError(f'{source} has no mIoU above 0 on record: there is nothing to lose')
    optimizer = (old.get('optim_wrapper') or {}).get('optimizer') or {}
    return dict(file=str(source), mIoU=score, lr=optimizer.get('lr'))


def describe_run(work_dir: Path, rate: float, before: dict) -> dict:
    """What a rate made of a checkpoint.

    Args:
        work_dir: Folder of the run, finished.
        rate: Its ``optim_wrapper.optimizer.lr``.
        before: From ``describe_checkpoint``.

    Returns:
        ``lr``; ``factor`` over that of the checkpoint, or None; ``curve``: iteration, epoch and
        mIoU of each validation; ``first_loss`` and ``last_loss`` that were logged, ``finite``: all
        of them; ``guard``: what it said; ``verdict``, as ``judge`` gives it.
    """
    curve = [
        dict(iter=entry['iter'], epoch=entry['epoch'], mIoU=entry['metrics'].get('mIoU'))
        for entry in read_validations(work_dir)
    ]
    losses = [line['loss'] for line in read_scalars(work_dir)]
    finite = all(map(math.isfinite, losses))
    return dict(
        lr=rate,
        factor=rate / before['lr'] if before['lr'] else None,
        curve=curve,
        first_loss=losses[0] if losses else None,
        last_loss=losses[-1] if losses else None,
        finite=finite,
        guard=guard_lines(work_dir),
        verdict=judge(before['mIoU'], curve[-1]['mIoU'], finite),
    )


def judge(before: float, last: float, finite: bool) -> str:
    """``keeps``, ``loses`` or ``collapses``.

    Args:
        before: mIoU of the checkpoint.
        last: mIoU of the last validation.
        finite: Whether every logged loss was a number.

    Returns:
        ``collapses`` where the loss was none, or under half of the checkpoint's mIoU is left (where
        the fine-tune guard speaks up at the first validation); ``loses`` where it ends lower than
        the checkpoint was, else ``keeps``.
    """
    # negated, as a score of nan is under nothing
    if not finite or not last >= COLLAPSED * before:
        return 'collapses'
    return 'loses' if last < before else 'keeps'


def guard_lines(work_dir: Path) -> dict[str, str | None]:
    """What the fine-tune guard wrote into a run's logs about ``rate`` and ``score``, or None."""
    # a resumed run has a log for every start; the guard speaks in the first
    lines = [
        line
        for log in find_logs(work_dir, '*.log')
        for line in log.read_text(errors='replace').splitlines()
    ]
    return {
        what: next((line.partition('WARNING - ')[2] for line in lines if said in line), None)
        for what, said in (('rate', PEAK_SAID), ('score', SCORE_SAID))
    }
