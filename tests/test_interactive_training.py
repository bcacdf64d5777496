import numpy as np
import pytest
import torch

from model.fusion import FusionNetwork
from model.s2m import S2MNetwork
from model.training.fusion_forward import FusionForward
from model.training.losses import Bootstrap
from model.training.s2m_forward import S2MForward
from model.training.trainer import Trainer
from tests.conftest import GOLDEN
from tests.golden_weights import fill
from util.ranks import Ranks

ALONE = Ranks(torch.device("cpu"))


def golden_run(name):
    """The golden numbers, and the trainer and batch that should give them."""
    golden = np.load(GOLDEN / f"interactive/training_{name}.npz")
    batch = {key: torch.from_numpy(golden[key]) for key in golden if golden[key].ndim > 1}
    if name == "s2m":
        network = fill(S2MNetwork(), "s2m.")
        network.classifier.aspp.project[-1].p = 0.0
        bootstrap = Bootstrap(int(golden["start_warm"]), int(golden["end_warm"]))
        task = S2MForward(network)
    else:
        iterations = int(golden["iterations"])
        bootstrap = Bootstrap(0.2 * iterations, 0.5 * iterations)

        def attention(batch):
            return torch.stack([batch["attn1"], batch["attn2"]], dim=1)

        task = FusionForward(fill(FusionNetwork(), "fusion."), attention)
    return golden, Trainer(task, ALONE, lr=1e-4, steps=[4], bootstrap=bootstrap), batch


def overlaps(logits, target):
    """Intersection and union of each object where it is surer than not, one after the other."""
    parts = []
    for label in range(1, logits.shape[2]):
        predicted, true = logits.softmax(dim=2)[:, :, label] > 0.5, target == label
        parts += [(predicted & true).sum().item(), (predicted | true).sum().item()]
    return parts


@pytest.mark.parametrize("name", ["s2m", "fusion"])
def test_seven_steps_match_golden(name):
    golden, trainer, batch = golden_run(name)
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
            assert overlaps(result.logits, trainer.task.truth(batch).target) == golden["iou"].tolist()
    if name == "s2m":
        mean = trainer.network.backbone.bn1.running_mean
        torch.testing.assert_close(
            mean, torch.from_numpy(golden["bn1_running_mean_after"]), rtol=2e-2, atol=1e-3
        )
