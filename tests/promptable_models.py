"""Two small promptable models of osam's kind, in ONNX: one floods from clicks, one finds colours by words."""

import hashlib
import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from osam import apis, types
from scipy import ndimage

from tests.annotator.parts import work_without_trials

NEAR = 0.1  # colours that differ by less in each channel are one region
WORDS = {"red": (230, 60, 40), "green": (20, 240, 20)}
STEPS, WINDOW = 24, 9  # a flood reaches STEPS * (WINDOW // 2) pixels


def _model(nodes, inputs, output, constants):
    tensors = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()
    ]
    result = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    held = [onnx.numpy_helper.from_array(np.array(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", tensors, [result], held)
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, ir_version=8, opset_imports=[opset]).SerializeToString(deterministic=True)


def _encoder():
    return _model([helper.make_node("Identity", ["x"], ["y"])], {"x": [1, 3, "h", "w"]}, "y", {})


def _decoder():
    """From a picture 1 x 3 x H x W and N one-hot planes N x 1 x H x W to N floods."""
    nodes = [
        helper.make_node("Mul", ["picture", "seeds"], ["marked"]),
        helper.make_node("ReduceMax", ["marked"], ["colour"], axes=[2, 3]),
        helper.make_node("Sub", ["picture", "colour"], ["signed"]),
        helper.make_node("Abs", ["signed"], ["away"]),
        helper.make_node("ReduceMax", ["away"], ["furthest"], axes=[1]),
        helper.make_node("Less", ["furthest", "near"], ["is_near"]),
        helper.make_node("Cast", ["is_near"], ["similar"], to=TensorProto.FLOAT),
    ]
    last, half = "seeds", WINDOW // 2
    for step in range(STEPS):
        grown = {"kernel_shape": [WINDOW] * 2, "pads": [half] * 4}
        nodes.append(helper.make_node("MaxPool", [last], [f"grown{step}"], **grown))
        nodes.append(helper.make_node("Mul", [f"grown{step}", "similar"], [f"flood{step}"]))
        last = f"flood{step}"
    shapes = {"picture": [1, 3, "h", "w"], "seeds": ["n", 1, "h", "w"]}
    return _model(nodes, shapes, last, {"near": np.float32(NEAR)})


FILES = {"encoder": _encoder(), "decoder": _decoder()}


def _blobs(names, server):
    hashes = {name: hashlib.sha256(FILES[name]).hexdigest() for name in names}
    return {n: types.Blob(url=f"{server}/{n}.onnx", hash=f"sha256:{h}") for n, h in hashes.items()}


class Flood(types.Model):
    """What is like the clicked pixels and connected to them; of a box, what is like its middle."""

    name = "flood:latest"
    metadata = types.ModelMetadata("No licence", "http://127.0.0.1/licence", "http://127.0.0.1/flood")
    _blobs = _blobs(FILES, "http://127.0.0.1:9")

    def encode_image(self, image):
        inputs = {"x": np.float32(image).transpose(2, 0, 1)[None] / 255}
        embedding = self._inference_sessions["encoder"].run(None, inputs)[0][0]
        return types.ImageEmbedding(
            original_height=image.shape[0], original_width=image.shape[1], embedding=embedding
        )

    def generate(self, request):
        embedding = request.image_embedding or self.encode_image(request.image)
        points, labels = request.prompt.points, request.prompt.point_labels
        if points is None:
            raise ValueError("Prompt must contain points")
        inside = np.ones(embedding.embedding.shape[1:], bool)
        if (labels > 1).any():
            (x0, y0), (x1, y1) = corners = points[labels > 1]
            rows, columns = np.indices(inside.shape)
            inside = (rows >= y0) & (rows <= y1) & (columns >= x0) & (columns <= x1)
            points, labels = (
                np.vstack([corners.mean(axis=0), points[labels < 2]]),
                np.r_[1, labels[labels < 2]],
            )
        seeds = np.zeros((len(points), 1, *inside.shape), np.float32)
        for index, (x, y) in enumerate(np.rint(points).astype(int)):
            seeds[index, 0, y, x] = 1
        inputs = {"picture": embedding.embedding[None], "seeds": seeds}
        floods = self._inference_sessions["decoder"].run(None, inputs)[0][:, 0] > 0
        mask = floods[labels == 1].any(axis=0) & ~floods[labels == 0].any(axis=0) & inside
        return types.GenerateResponse(
            model=self.name, image_embedding=embedding, annotations=[annotation(mask)]
        )


class Colours(types.Model):
    """Boxes around regions of a colour that a word names; takes no clicks."""

    name = "colours:latest"
    metadata = types.ModelMetadata("No licence", "http://127.0.0.1/licence", "http://127.0.0.1/colours")
    _blobs = _blobs(["encoder"], "http://127.0.0.1:9")

    def generate(self, request):
        word = request.prompt.texts[0]
        alike = np.abs(request.image.astype(int) - WORDS.get(word, (-99, -99, -99))).max(axis=2) < 25
        regions = ndimage.find_objects(ndimage.label(alike)[0])
        boxes = [
            types.BoundingBox(xmin=x.start, ymin=y.start, xmax=x.stop - 1, ymax=y.stop - 1)
            for y, x in regions
        ]
        found = [types.Annotation(bounding_box=box, text=word, score=0.5) for box in boxes]
        return types.GenerateResponse(model=self.name, annotations=found)


def annotation(mask):
    rows, columns = np.nonzero(mask) if mask.any() else (np.zeros(1, int), np.zeros(1, int))
    box = types.BoundingBox(xmin=columns.min(), ymin=rows.min(), xmax=columns.max(), ymax=rows.max())
    return types.Annotation(bounding_box=box, mask=mask[box.ymin : box.ymax + 1, box.xmin : box.xmax + 1])


def register():
    """Make osam know both, as it does its own."""
    for model in (Flood, Colours):
        if model not in apis.registered_model_types:
            apis.registered_model_types.append(model)


def put_weights(*models):
    """Put the weights of models into osam's cache."""
    for model in models:
        for name, blob in model._blobs.items():
            Path(blob.path).parent.mkdir(parents=True, exist_ok=True)
            Path(blob.path).write_bytes(FILES[name])


def work_with_them(pipe, *arguments):
    """Do what the annotator's computing process does, where osam knows both."""
    register()
    work_without_trials(pipe, *arguments)


@contextmanager
def cache(folder, *models):
    """Let osam know both, and have the weights of some models, in a cache of its own."""
    home, known = os.environ["HOME"], [*apis.registered_model_types]
    os.environ["HOME"] = str(folder)
    register()
    put_weights(*models)
    try:
        yield
    finally:
        os.environ["HOME"] = home
        apis.registered_model_types[:] = known
