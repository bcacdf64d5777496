"""The three graphs of an export, opened by onnxruntime."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from util.errors import InputError

Floats = NDArray[np.float32]

NAMES = ("encode_query", "encode_memory", "segment")


class Graphs:
    """The propagation network as `scripts.export_onnx` writes it.

    Args:
        folder: folder of the three files.
        providers: onnxruntime's execution providers, in order of preference.

    Attributes:
        metadata: text by name, as the export wrote it.
        mean: mean of RGB in [0, 1] by which frames are normalised, 3 numbers.
        std: standard deviation by which frames are normalised, 3 numbers.
        stride: height and width of a frame are multiples of it.

    Raises:
        InputError: onnxruntime or a file is missing, cannot be read, or belongs to another export.
    """

    def __init__(self, folder: Path, providers: Sequence[str] = ("CPUExecutionProvider",)) -> None:
        self.sessions = {name: open_graph(folder / f"{name}.onnx", providers) for name in NAMES}
        metadata = [each.get_modelmeta().custom_metadata_map for each in self.sessions.values()]
        for name, each in zip(NAMES, metadata, strict=True):
            if each.get("graph") != name or each["weights_sha256"] != metadata[0]["weights_sha256"]:
                raise InputError(
                    f"{folder / name}.onnx does not belong to the other graphs of {folder}: export them "
                    "again, into an empty folder."
                )
        self.metadata = metadata[-1]
        self.mean, self.std = (
            np.array(self.metadata[name].split(","), np.float32) for name in ("mean", "std")
        )
        self.stride = int(self.metadata["stride"])

    def encode_query(self, image: Floats) -> list[NDArray[Any]]:
        """Encode a normalised frame, `1 x 3 x H x W`, for `segment`."""
        return self._run("encode_query", image)

    def encode_memory(self, image: Floats, masks: Floats, others: Floats) -> list[NDArray[Any]]:
        """Encode a normalised frame with K objects.

        Args:
            image: normalised frame, `1 x 3 x H x W`.
            masks: probabilities of the objects, `K x H x W`.
            others: for each object, the sum of the probabilities of all others, `K x H x W`.

        Returns:
            Keys `K x P x 128` and values `K x P x 512`, P = H/16 * W/16.
        """
        return self._run("encode_memory", image, masks, others)

    def segment(self, keys: Floats, values: NDArray[Any], query: list[NDArray[Any]]) -> Floats:
        """Segment K objects, each with T remembered frames.

        Args:
            keys: memory keys, `K x T x P x 128`.
            values: memory values, `K x T x P x 512`.
            query: result of `encode_query`.

        Returns:
            Logits `K x H x W`.
        """
        if keys.shape[2] != query[0].shape[1]:
            raise InputError("a frame has another size than the ones before it: give all in one size.")
        return self._run("segment", keys, values, *query)[0]

    def _run(self, name: str, *inputs: NDArray[Any]) -> list[NDArray[Any]]:
        session = self.sessions[name]
        names = [each.name for each in session.get_inputs()]
        try:
            return session.run(None, dict(zip(names, inputs, strict=True)))
        except Exception as error:  # onnxruntime has no type for it
            if "alloc" in str(error):
                raise MemoryError(str(error)) from error
            raise


def open_graph(path: Path, providers: Sequence[str]) -> Any:
    """Open a graph as an onnxruntime session; arguments and errors as in `Graphs`."""
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError("onnxruntime is missing: run `pip install onnxruntime`.") from error
    if not path.is_file():
        raise InputError(f"there is no graph at {path}: export it by `python -m scripts.export_onnx`.")
    available = onnxruntime.get_available_providers()
    if absent := set(providers) - set(available):
        raise InputError(
            f"onnxruntime has no {absent.pop()} here, only {', '.join(available)}: give one of these, or "
            "install the package of onnxruntime that has it."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", 0))  # 0: one for each core
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads use no CPU
    try:
        return onnxruntime.InferenceSession(path, options, providers=list(providers))
    except Exception as error:  # onnxruntime's errors have no common type
        raise InputError(f"{path} cannot be opened as an ONNX graph: export it again.") from error
