"""The three graphs of an export, opened by onnxruntime."""

import os
from collections.abc import Sequence
from importlib.util import find_spec
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
        folder: of the three files.
        providers: onnxruntime's execution providers, in order of preference.

    Attributes:
        metadata: text by name, as the export wrote it.
        mean: of RGB in [0, 1], 3 numbers, as the network's frames are normalised.
        std: their standard deviation.
        stride: height and width of a frame are multiples of it.

    Raises:
        InputError: onnxruntime or a file is missing, cannot be read, or belongs to another export.
    """

    def __init__(self, folder: Path, providers: Sequence[str] = ("CPUExecutionProvider",)) -> None:
        self.sessions = {name: open_graph(folder / f"{name}.onnx", providers) for name in NAMES}
        described = [each.get_modelmeta().custom_metadata_map for each in self.sessions.values()]
        for name, each in zip(NAMES, described, strict=True):
            if each.get("graph") != name or each["weights_sha256"] != described[0]["weights_sha256"]:
                raise InputError(
                    f"{folder / name}.onnx does not belong to the other graphs of {folder}: export them "
                    "again, into an empty folder."
                )
        self.metadata = described[-1]
        self.mean, self.std = (
            np.array(self.metadata[name].split(","), np.float32) for name in ("mean", "std")
        )
        self.stride = int(self.metadata["stride"])

    def encode_query(self, image: Floats) -> list[NDArray[Any]]:
        """Encode a normalised frame, `1 x 3 x H x W`, that is to be segmented; see `segment`."""
        self._check_size(image)
        return self._run("encode_query", image)

    def encode_memory(self, image: Floats, masks: Floats, others: Floats) -> list[NDArray[Any]]:
        """Encode a normalised frame with objects, to be remembered.

        Args:
            image: `1 x 3 x H x W`.
            masks: probabilities of K objects, `K x H x W`.
            others: for each of them the sum of the probabilities of all other objects, `K x H x W`.

        Returns:
            Keys `K x P x 128` and values `K x P x 512`, P = H/16 * W/16.
        """
        self._check_size(image)
        return self._run("encode_memory", image, masks, others)

    def segment(self, keys: Floats, values: NDArray[Any], query: list[NDArray[Any]]) -> Floats:
        """Segment K objects on an encoded frame; of each, T frames are remembered.

        Args:
            keys: `K x T x P x 128`.
            values: `K x T x P x 512`.
            query: what `encode_query` returned.

        Returns:
            Logits `K x H x W`.
        """
        if keys.shape[:3] != values.shape[:3] or keys.shape[2] != query[0].shape[1]:
            raise InputError(
                f"keys {keys.shape}, values {values.shape} and a query of {query[0].shape[1]} positions do "
                "not belong together: give K x T x P x 128, K x T x P x 512 and a frame of the same size."
            )
        return self._run("segment", keys, values, *query)[0]

    def _check_size(self, image: Floats) -> None:
        height, width = image.shape[-2:]
        if height % self.stride or width % self.stride:
            raise InputError(
                f"a frame of {width} x {height} is given to the network, which takes multiples of "
                f"{self.stride}: pad it with zeros."
            )

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
    """Return an onnxruntime session of a graph; arguments and errors as of `Graphs`."""
    if find_spec("onnxruntime") is None:
        raise InputError("graphs are run by onnxruntime, which is missing: run `pip install onnxruntime`.")
    import onnxruntime

    if not path.is_file():
        raise InputError(f"there is no graph at {path}: export it by `python -m scripts.export_onnx`.")
    absent = set(providers) - set(onnxruntime.get_available_providers())
    if absent:
        raise InputError(
            f"onnxruntime has no {absent.pop()} here, only "
            f"{', '.join(onnxruntime.get_available_providers())}: give one of these, or install the package "
            "of onnxruntime that has it."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", 0))  # 0: one for each core
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # threads that wait cost nothing
    try:
        return onnxruntime.InferenceSession(path, options, providers=list(providers))
    except Exception as error:  # onnxruntime's errors have no base of their own
        raise InputError(f"{path} cannot be opened as an ONNX graph: export it again.") from error
