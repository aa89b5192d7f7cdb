"""What the other commands give a cluster can be sent there."""

import pickle
from functools import partial
from pathlib import Path

import pytest

from lvef.core.runner import _attempt
from lvef.evaluation.dataset.cases import Case
from lvef.evaluation.dataset.evaluation import Network, measure_cases
from lvef.evaluation.dataset.predictions import EfResult
from lvef.evaluation.runner import CaseRunner, UsedWeights
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import Measurer
from lvef.stores import prepare, synthetic
from lvef.stores.recipes import ClipRecipe
from lvef.stores.synthetic_sources import ClipOptions, PhantomSource, phantom_tasks
from lvef.stores.traced_frames import TraceRecipe
from tests.faults.commands import contents
from tests.stores.made_up import write_echonet, write_stills

pytestmark = pytest.mark.slow


class SendingPool:
    """Sends each piece of work through its bytes, as a cluster does, and does it here."""

    most = 2

    def __init__(self):
        self.sent = 0

    def submit(self, do, name=""):
        from concurrent.futures import Future

        future = Future()
        data = pickle.dumps(do)
        self.sent += 1
        future.set_result(pickle.loads(pickle.dumps(pickle.loads(data)())))
        return future

    def wait(self, futures, seconds=None):
        return set(futures)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def test_preparation_of_clips_can_be_sent(tmp_path):
    work = partial(_attempt, ClipRecipe().make, prepare._failure, None)
    assert pickle.loads(pickle.dumps(work)).args[0].__self__ == ClipRecipe()


def test_preparation_of_traced_frames_is_sent_and_comes_back(tmp_path):
    """The files are those of a preparation in threads; tables of tracings and masks both."""
    manifests = {"table": write_echonet(tmp_path / "echonet"), "masks": write_stills(tmp_path / "stills")}
    for name, manifest in manifests.items():
        pool = SendingPool()
        sent = prepare.prepare(manifest, tmp_path / name / "sent", TraceRecipe(), pool=pool)
        plain = prepare.prepare(manifest, tmp_path / name / "plain", TraceRecipe())
        assert (pool.sent, sent.exit_code) == (sent.written, 0)
        assert (sent.written, sent.frames, sent.notes) == (plain.written, plain.frames, plain.notes)
        assert contents(tmp_path / name / "sent") == contents(tmp_path / name / "plain")


def test_synthesis_is_sent_and_comes_back(tmp_path):
    pool = SendingPool()
    options = ClipOptions(size=48)
    done = synthetic.synthesize(
        PhantomSource(options), phantom_tasks(2, 0, "TEST"), tmp_path / "out", pool=pool
    )
    assert (pool.sent, [clip.reason for clip in done.finished]) == (2, ["", ""])


def test_evaluation_is_sent_and_comes_back(tmp_path):
    measurer = Measurer(MeasureOptions(threads=1, precision="f32"))
    card = measurer.predictor.entry.card
    used = UsedWeights(card.name, card.version, card.model_sha256, "", "openvino", "f32", "CPU", 1)
    cases = [Case("gone", "own", "p", "test", Path(tmp_path / "gone.avi"), 50.0)]
    pool = SendingPool()
    with CaseRunner(pool=pool) as runner:
        [result] = measure_cases(Network("camus-seg", measurer, used), cases, runner)
    assert pool.sent == 1
    assert isinstance(result, EfResult) and result.is_failed and "gone.avi" in result.reason
