import numpy as np
import pytest
import torch

from model.fast_inference.preparation import quicken_training
from model.interactive.fusion import FusionNetwork
from model.interactive.s2m import S2MNetwork
from model.training.fusion_forward import FusionForward
from model.training.losses import Bootstrap, frame_losses
from model.training.s2m_forward import S2MForward
from model.training.s2m_start import start_from_deeplab
from model.training.trainer import Trainer
from scripts.benchmark.timing import tf32
from tests.conftest import GOLDEN, on_gpu, slow
from tests.golden_weights import with_golden_weights
from util.ranks import Ranks

CPU = torch.device("cpu")


def golden_run(name, device=CPU):
    """The golden numbers, and the trainer and batch that should give them."""
    golden = np.load(GOLDEN / f"interactive/training_{name}.npz")
    batch = {key: torch.from_numpy(golden[key]) for key in golden if golden[key].ndim > 1}
    if name == "s2m":
        network = with_golden_weights(S2MNetwork, "s2m.")
        network.classifier.aspp.project[-1].p = 0.0
        bootstrap = Bootstrap(int(golden["start_warm"]), int(golden["end_warm"]))
        task = S2MForward(network.to(device))
    else:
        iterations = int(golden["iterations"])
        bootstrap = Bootstrap(0.2 * iterations, 0.5 * iterations)
        network = with_golden_weights(FusionNetwork, "fusion.").to(device)
        task = FusionForward(network, lambda batch: torch.stack([batch["attn1"], batch["attn2"]], dim=1))
    quicken_training(task.network, device)
    return golden, Trainer(task, Ranks(device), lr=1e-4, steps=[4], bootstrap=bootstrap), batch


def overlaps(logits, target):
    """Intersection and union of each object where it is surer than not, one after the other."""
    parts = []
    for label in range(1, logits.shape[2]):
        predicted, true = logits.softmax(dim=2)[:, :, label] > 0.5, target == label
        parts += [(predicted & true).sum().item(), (predicted | true).sum().item()]
    return parts


@pytest.mark.parametrize(
    ("name", "device"),
    [slow("s2m", "cpu"), ("fusion", "cpu"), on_gpu("s2m", "cuda"), on_gpu("fusion", "cuda")],
)
@tf32(False)
def test_seven_steps_match_golden(name, device):
    """S2M in double on a GPU: it normalises pooled features of two samples, which magnifies rounding."""
    golden, trainer, batch = golden_run(name, torch.device(device))
    if (name, device) == ("s2m", "cuda"):
        trainer.network.double()
        batch = {key: value.double() if value.is_floating_point() else value for key, value in batch.items()}
    for step, (loss, fraction, rate) in enumerate(
        zip(golden["losses"], golden["p"], golden["lr"], strict=True)
    ):
        result = trainer.step(batch)
        assert result.losses.sum().item() == pytest.approx(loss, rel=1e-3 if step == 0 else 2e-2)
        assert result.fraction == pytest.approx(fraction, abs=1e-12)
        assert result.learning_rate == pytest.approx(rate)
        if step == 0:
            gradients = dict(trainer.network.named_parameters())
            for parameter, norm in zip(golden["grad_names"], golden["grad_norms"], strict=True):
                assert gradients[str(parameter)].grad.norm().item() == pytest.approx(norm, rel=1e-3), (
                    parameter
                )
            found = overlaps(result.logits.cpu(), trainer.task.truth(batch).target)
            assert found == pytest.approx(golden["iou"].tolist(), abs=0 if device == "cpu" else 2)
    if name == "s2m":
        mean = trainer.network.backbone.bn1.running_mean.float().cpu()
        torch.testing.assert_close(
            mean, torch.from_numpy(golden["bn1_running_mean_after"]), rtol=2e-2, atol=1e-3
        )


@pytest.mark.parametrize(("name", "is_pooled"), [("s2m", True), ("fusion", False)])
def test_the_hardest_pixels_are_those_of_the_batch_for_s2m_alone(name, is_pooled):
    _, trainer, batch = golden_run(name)
    trainer.bootstrap = Bootstrap(-2, -1)  # so that few pixels count at once
    result, truth = trainer.step(batch), trainer.task.truth(batch)
    pooled, apart = (
        frame_losses(result.logits, *truth, result.fraction, pooled=each).sum() for each in (True, False)
    )
    assert (pooled - apart).abs() > 1e-3
    torch.testing.assert_close(result.losses.sum(), pooled if is_pooled else apart)


@pytest.fixture
def deeplab(tmp_path):
    """A file in the form of the public DeepLabV3+ checkpoint: three input channels, 21 classes."""
    state = S2MNetwork().state_dict()
    state["backbone.conv1.weight"] = torch.randn(64, 3, 7, 7)
    state["classifier.classifier.3.weight"] = torch.randn(21, 256, 1, 1)
    state["classifier.classifier.3.bias"] = torch.randn(21)
    content = {"cur_itrs": 5, "model_state": state, "best_score": np.float64(0.7)}
    torch.save(content, tmp_path / "deeplab.pth")
    return tmp_path / "deeplab.pth", state


def test_s2m_starts_from_deeplab(deeplab):
    path, state = deeplab
    network = S2MNetwork()
    start_from_deeplab(network, path)
    ours = network.state_dict()
    ends = {"backbone.conv1.weight", "classifier.classifier.3.weight", "classifier.classifier.3.bias"}
    assert all(torch.equal(ours[name], state[name]) for name in ours if name not in ends)
    first = ours["backbone.conv1.weight"]
    assert torch.equal(first[:, :3], state["backbone.conv1.weight"])
    extra = first[:, 3:].flatten(1)  # 64 x 147: orthonormal rows
    torch.testing.assert_close(extra @ extra.T, torch.eye(64), atol=1e-5, rtol=0)
    assert not ours["classifier.classifier.3.bias"].any()
