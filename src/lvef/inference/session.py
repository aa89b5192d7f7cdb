"""Runs a saved network. Two backends behind one interface: OpenVINO for CPUs, ONNX Runtime for everything else."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import ConfigError, MissingExtraError, WeightsError, first_line

BACKENDS = ("openvino", "onnxruntime")
"""In order of preference on a CPU."""

PRECISIONS = ("f32", "bf16")
"""Arithmetic a backend can be asked for."""


Batch = NDArray[np.float32] | Mapping[str, NDArray[np.float32]]
"""What a network is run on: the one input, or each input under its name; batch first."""

MAX_LANES = 4
"""Most batches side by side: each lane holds its own working memory (about 30 MB)."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What a session runs on; stands in every result."""

    backend: str
    precision: str
    device: str
    lanes: int = 1
    """Batches worth having under way at once."""


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a network: its name, and its shape with None for what the file leaves open."""

    name: str
    shape: tuple[int | None, ...]


class Session(Protocol):
    """A loaded network. Safe to call from several threads."""

    inputs: tuple[Port, ...]
    """Inputs in the order of the file."""
    outputs: tuple[Port, ...]
    """Outputs in the order of the file; the first is what counts."""

    def start(self, batch: Batch) -> Callable[[], NDArray[np.float32]]:
        """Begin to run the network on a batch, and go on with something else.

        Args:
            batch: Must not change until the output is fetched.

        Returns:
            Call it once to wait for the output, batch first, which then is the caller's own.
        """
        ...

    def describe(self) -> EngineInfo:
        """Backend, precision and device in use."""
        ...


def open_session(model: Path, *, backend: str = "auto", precision: str = "auto", threads: int = 0) -> Session:
    """Load a network.

    Args:
        model: ONNX file.
        backend: ``auto`` (OpenVINO where it is installed), ``openvino`` or ``onnxruntime``.
        precision: ``auto`` (bf16 where the processor multiplies in it, else f32), ``f32`` or ``bf16``.
        threads: Threads to use; 0 leaves the choice to the backend.

    Raises:
        ConfigError: A backend or precision that does not exist, or bf16 where it is not to be had.
        MissingExtraError: The backend asked for is not installed.
        WeightsError: The file is no network that the backend can load.
    """
    if backend not in ("auto", *BACKENDS):
        raise ConfigError(f"backend {backend!r} found; auto, {' or '.join(BACKENDS)} was expected.")
    if precision not in ("auto", *PRECISIONS):
        raise ConfigError(f"precision {precision!r} found; auto, {' or '.join(PRECISIONS)} was expected.")
    if backend == "onnxruntime":
        return _OnnxRuntimeSession(model, precision, threads)
    return _OpenVinoSession(model, precision, threads)


def available_threads() -> int:
    """Processor threads this process may use: fewer than the machine has inside most containers."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def bf16_available() -> bool:
    """Whether this processor multiplies in bf16 under OpenVINO."""
    return "BF16" in _openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


_first_use = Lock()
"""Held while an engine is used for the first time in a process."""


def _openvino_core() -> Any:  # noqa: ANN401
    with _first_use:
        return _start_openvino()


@cache
def _start_openvino() -> Any:  # noqa: ANN401
    # One a process: making it searches the disk for plugins.
    # OpenVINO reports every import to a statistics server when this package can be imported. Measuring sends nothing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino
    from openvino import opset13

    core = openvino.Core()
    # One inference while no other thread can make one. The first tensor of a process fills OpenVINO's tables of types,
    # which imports numpy and so lets go of the interpreter's lock in the midst of a C++ static's construction: a second
    # thread then waits for that static with the interpreter's lock in hand, and both wait for ever.
    # Source: pybind11, "Global Interpreter Lock", on static variables; benchmarks/first_inference.py counts.
    given = opset13.parameter([1], np.float32)
    twice = openvino.Model([opset13.add(given, given)], [given])
    request = core.compile_model(twice, "CPU").create_infer_request()
    _fetch_output(_start_request(request, np.ones(1, np.float32)))
    return core


def _start_request(request: Any, batch: Batch) -> Any:  # noqa: ANN401
    request.start_async(dict(batch) if isinstance(batch, Mapping) else [batch], share_inputs=True)
    return request


def _fetch_output(request: Any) -> NDArray[np.float32]:  # noqa: ANN401
    request.wait()
    return np.array(request.get_output_tensor(0).data, dtype=np.float32)


class _OpenVinoSession:
    def __init__(self, model: Path, precision: str, threads: int) -> None:
        core = _openvino_core()
        if precision == "bf16" and not bf16_available():
            raise ConfigError("precision bf16: this processor has no bf16 units; use f32 or auto.")
        self._precision = precision if precision != "auto" else "bf16" if bf16_available() else "f32"
        # One lane a core: two cores that work on two batches never wait for each other.
        self._lanes = min(threads or available_threads(), MAX_LANES)
        settings = {"INFERENCE_PRECISION_HINT": self._precision, "NUM_STREAMS": str(self._lanes)}
        if threads:
            settings["INFERENCE_NUM_THREADS"] = str(threads)
        try:
            self._compiled = core.compile_model(core.read_model(model), "CPU", settings)
            self.inputs = tuple(_openvino_port(port) for port in self._compiled.inputs)
            self.outputs = tuple(_openvino_port(port) for port in self._compiled.outputs)
        except Exception as error:  # noqa: BLE001  a damaged file makes it raise many kinds, UnicodeDecodeError among them
            raise WeightsError(f"{model}: OpenVINO cannot load it ({first_line(error)}).") from None
        self._device = str(core.get_property("CPU", "FULL_DEVICE_NAME")).strip()
        self._idle: SimpleQueue[Any] = SimpleQueue()

    def start(self, batch: Batch) -> Callable[[], NDArray[np.float32]]:
        # The engine's own threads do the work: none of them waits for the interpreter.
        try:
            request = self._idle.get_nowait()
        except Empty:
            request = self._compiled.create_infer_request()
        _start_request(request, batch)

        def fetch() -> NDArray[np.float32]:
            out = _fetch_output(request)
            self._idle.put(request)
            return out

        return fetch

    def describe(self) -> EngineInfo:
        return EngineInfo("openvino", self._precision, self._device, self._lanes)


class _OnnxRuntimeSession:
    def __init__(self, model: Path, precision: str, threads: int) -> None:
        try:
            import onnxruntime as ort
        except ImportError:
            raise MissingExtraError("The onnxruntime engine", "onnx") from None
        if precision == "bf16":
            raise ConfigError(
                "precision bf16: ONNX Runtime computes in f32 here; use --backend openvino or f32."
            )
        options = ort.SessionOptions()
        options.log_severity_level = 3
        if threads:
            options.intra_op_num_threads = threads
        try:
            self._session = ort.InferenceSession(str(model), options, providers=ort.get_available_providers())
            self.inputs = tuple(_onnx_port(port) for port in self._session.get_inputs())
            self.outputs = tuple(_onnx_port(port) for port in self._session.get_outputs())
        except Exception as error:  # noqa: BLE001  onnxruntime raises its own types, which it does not export
            raise WeightsError(f"{model}: ONNX Runtime cannot load it ({first_line(error)}).") from None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="lvef-engine")

    def start(self, batch: Batch) -> Callable[[], NDArray[np.float32]]:
        named = dict(batch) if isinstance(batch, Mapping) else {self.inputs[0].name: batch}
        running = self._pool.submit(self._session.run, None, named)
        return lambda: np.asarray(running.result()[0], dtype=np.float32)

    def describe(self) -> EngineInfo:
        provider = self._session.get_providers()[0]
        return EngineInfo("onnxruntime", "f32", provider.removesuffix("ExecutionProvider"))


def _openvino_port(port: Any) -> Port:  # noqa: ANN401
    names = sorted(port.get_names())
    sides = port.get_partial_shape()
    # Where not even the number of sides is known, none is returned, and no card matches.
    shape = () if sides.rank.is_dynamic else sides
    return Port(names[0] if names else "", tuple(d.get_length() if d.is_static else None for d in shape))


def _onnx_port(port: Any) -> Port:  # noqa: ANN401
    return Port(port.name, tuple(d if isinstance(d, int) else None for d in port.shape))
