"""Fresh processes whose threads use an engine at once for the first time do not hang."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lvef.inference.session import BACKENDS

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "first_inference.py"


def starts(number: int, backend: str) -> subprocess.CompletedProcess[str]:
    words = ["--starts", str(number), "--backend", backend]
    return subprocess.run(
        [sys.executable, str(BENCHMARK), *words], capture_output=True, text=True, check=False
    )


def test_no_type_is_asked_for_before_one_inference_is_done():
    code = (
        "import sys, threading\n"
        "from lvef.inference.session import bf16_available\n"
        "bf16_available()\n"
        "import openvino\n"
        "together = threading.Barrier(2)\n"
        "def work():\n"
        "    together.wait()\n"
        "    openvino.Type.f32.to_dtype()\n"
        "running = [threading.Thread(target=work) for _ in range(2)]\n"
        "[t.start() for t in running], [t.join() for t in running]\n"
    )
    # Without that inference nearly every such process hangs.
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_many_fresh_processes_end(backend):
    if backend == "onnxruntime":
        pytest.importorskip("onnxruntime")
    done = starts(6, backend)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("6 done, 0 hung, 0 failed") == 2
