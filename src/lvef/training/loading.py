"""Which cases come in which order, and the loaders that hand them over.

All chance is a function of the seed, the epoch and the case, and of nothing that happened before: a run that goes on from a
checkpoint draws what it would have drawn without the stop, whatever the number of loading processes.

These processes import this module, which is why it does without Lightning: they start sooner.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from threading import Thread
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from lvef.core.errors import DataError, LvefError
from lvef.core.workers import WORKER_ENDED, end_with_parent, quiet_starts
from lvef.training.cases import Case


class SampleIndex(NamedTuple):
    """What a loader asks a data set for.

    Attributes:
        case: Number of the case among those of its part.
        epoch: Pass over the cases; -1 outside of training, where nothing is drawn.
        copy: Which time the case comes in this epoch.
    """

    case: int
    epoch: int = -1
    copy: int = 0


STOP_GRACE_S = 1.0
"""Within this time a stop signal that ended a loading process has also reached the first process."""

Batch = dict[str, Any]
"""Tensors of a batch by name, batch first; see the data sets."""


class EpochSampler(Sampler[SampleIndex]):
    """The cases of each epoch in a random order, those of this process among several.

    Args:
        weights: How often each case comes in an epoch; a broken part is drawn for.
        seed: Of order and draw.
        rank: Number of this process.
        world: Number of processes.
    """

    def __init__(self, weights: Sequence[float], seed: int, rank: int = 0, world: int = 1) -> None:
        values = np.asarray(weights, dtype=np.float64)
        self.whole = np.floor(values).astype(int)
        self.broken = values - self.whole
        # As many as they add up to, so that every epoch has as many steps; none comes twice for its broken part.
        self.drawn = min(round(float(self.broken.sum())), int((self.broken > 0).sum()))
        self.seed, self.rank, self.world, self.epoch = seed, rank, world, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the training loop before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Draws of this process; the same in every epoch."""
        return -(-(int(self.whole.sum()) + self.drawn) // self.world)

    def __iter__(self) -> Iterator[SampleIndex]:
        rng = np.random.default_rng([self.seed, 2, self.epoch])
        copies = self.whole.copy()
        if self.drawn:
            shares = self.broken / self.broken.sum()
            copies[rng.choice(len(shares), self.drawn, replace=False, p=shares)] += 1
        draws = [SampleIndex(case, self.epoch, k) for case, n in enumerate(copies) for k in range(n)]
        order = rng.permutation(len(draws))
        padded = np.resize(order, len(self) * self.world)
        for i in padded[self.rank :: self.world]:
            yield draws[i]


class OrderedSampler(Sampler[SampleIndex]):
    """Every case once, in order, shared out over processes.

    Args:
        count: Number of cases.
        rank: Number of this process.
        world: Number of processes.
    """

    def __init__(self, count: int, rank: int = 0, world: int = 1) -> None:
        self.cases = range(count)[rank::world]

    def __len__(self) -> int:
        return len(self.cases)

    def __iter__(self) -> Iterator[SampleIndex]:
        return (SampleIndex(case) for case in self.cases)


class CaseDataset(Dataset[Batch]):
    """A part's cases as tensors; see the modules of the families.

    Args:
        cases: The part.
    """

    def __init__(self, cases: Sequence[Case]) -> None:
        self.cases = tuple(cases)

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, draw: SampleIndex) -> Batch:
        raise NotImplementedError


def loader(
    cases: CaseDataset,
    sampler: Sampler[SampleIndex],
    batch_size: int,
    workers: int,
    *,
    drop_last: bool = False,
) -> DataLoader[Batch]:
    """A loader that leaves torch's global source of chance alone."""
    return _Loader(
        cases,
        batch_size,
        sampler=sampler,
        num_workers=workers,
        persistent_workers=workers > 0,
        drop_last=drop_last,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator().manual_seed(0),
        # A forked process must not meet the threads of polars and of torch.
        multiprocessing_context="spawn" if workers else None,
        worker_init_fn=_start_process,
    )


class _Loader(DataLoader[Batch]):
    """Its processes start here."""

    def __iter__(self) -> Any:  # noqa: ANN401
        with quiet_starts() if self.num_workers else nullcontext():
            return super().__iter__()


@contextmanager
def losses_named() -> Iterator[None]:
    """Say what happened where a process that loads has ended, or met an error: torch's words hold a traceback.

    Raises:
        DataError: It was ended from outside.
        LvefError: What it met.
    """
    try:
        yield
    except RuntimeError as error:
        # From wherever the first process was: torch raises it in a signal's handler.
        if not str(error).startswith("DataLoader worker"):
            raise
        # A stop signal to all processes may reach this one last: then it was stopped, and nothing is wrong.
        time.sleep(STOP_GRACE_S)
        raise DataError(WORKER_ENDED) from None
    except LvefError as error:
        if " in DataLoader worker process " not in str(error):
            raise
        kind = type(error)
        raise kind(str(error).rpartition(f"{kind.__module__}.{kind.__qualname__}: ")[2].strip()) from None


def _start_process(_: int) -> None:
    """Leave Ctrl-C and a closed terminal to the first process, which then ends this one, by SIGTERM if need be."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    # torch looks after the first process every five seconds, and only between two batches.
    Thread(target=end_with_parent, daemon=True).start()


def weights_of(cases: Sequence[Case], by_store: Sequence[float]) -> list[float]:
    """How often each case comes, from how often those of its store come; empty for once each."""
    return [by_store[case.store] if by_store else 1.0 for case in cases]
