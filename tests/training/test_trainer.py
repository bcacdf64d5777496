import json
from functools import cache
from itertools import chain

import numpy as np
import pytest
import torch

from dataset.training.batch_order import BatchOrder
from model import PropagationNetwork
from model.checkpoint import load_state
from model.fast_inference import winograd_steps
from model.fast_inference.preparation import quicken_training
from model.training.propagation_forward import PropagationForward
from model.training.trainer import Trainer
from scripts.benchmark.timing import tf32
from scripts.training.metrics import LogIntegrator
from tests.conftest import GOLDEN, on_gpu, slow
from tests.forked_runs import run_two_ranks
from tests.golden_weights import with_golden_weights
from util.errors import InputError
from util.ranks import Ranks

ALONE = Ranks(torch.device("cpu"))


def golden_batch(variant):
    """The golden batch as a data loader gives it: two samples of 64 x 64."""
    golden = np.load(GOLDEN / "training.npz")
    names = [name for name in golden if name.startswith(variant)]
    return {
        name.removeprefix(f"{variant}_"): torch.from_numpy(golden[name])
        for name in names
        if golden[name].ndim and not name.endswith("_lr")
    }


def small_batch(variant):
    """A part of the golden batch, 32 x 32; all of it for stage 0, where rounding counts more."""
    batch = golden_batch(variant)
    if variant == "so":
        return batch
    return {name: t[..., 16:48, 16:48] if t.ndim > 2 else t for name, t in batch.items()}


@cache
def golden_state(variant):
    return with_golden_weights(PropagationNetwork, single_object=variant == "so").state_dict()


def golden_network(variant):
    with torch.device("meta"):  # spares the initialisation
        network = PropagationNetwork(single_object=variant == "so")
    load_state(network, {name: tensor.clone() for name, tensor in golden_state(variant).items()}, "golden")
    return network


def golden_trainer(variant, amp=False, device="cpu", **options):
    network = golden_network(variant).to(device)
    if not amp:
        quicken_training(network, torch.device(device))
    return Trainer(PropagationForward(network, amp), Ranks(torch.device(device)), **options)


def gradient(trainer, name):
    return dict(trainer.network.named_parameters())[name].grad


@pytest.mark.parametrize(
    ("variant", "device", "amp", "steps", "tolerances", "least_tiles"),  # with 1, by Winograd's way
    [
        ("mo", "cpu", False, 1, (1e-3, 2e-2), 1000),
        *(slow(each, "cpu", False, 6, (1e-3, 2e-2), least) for each in ("mo", "so") for least in (1, 1000)),
        on_gpu("mo", "cuda", False, 2, (1e-4, 2e-3), 1000),
        on_gpu("mo", "cuda", True, 2, (2e-2, 5e-2), 1000),
    ],
)
@tf32(False)
def test_steps_match_golden(variant, device, amp, steps, tolerances, least_tiles, monkeypatch):
    """Compare the first step, and with a wider tolerance those that follow: rounding grows."""
    monkeypatch.setattr(winograd_steps, "LEAST_TILES", least_tiles)
    golden = np.load(GOLDEN / "training.npz")
    trainer, batch = golden_trainer(variant, amp, device, steps=[4]), golden_batch(variant)
    statistics = {name: b.clone() for name, b in trainer.network.named_buffers()}
    for step, (total, loss_1, loss_2, next_lr) in enumerate(golden[f"{variant}_total_l1_l2_lr"][:steps]):
        result = trainer.step(batch)
        ours = [result.losses.sum().item(), *result.losses.tolist()]
        assert ours == pytest.approx([total, loss_1, loss_2], rel=tolerances[step > 0])
        assert trainer.scheduler.get_last_lr()[0] == pytest.approx(next_lr)
        if step == 0 and not amp:
            for name, norm in json.loads(str(golden[f"{variant}_grad_norms"])).items():
                assert gradient(trainer, name).norm().item() == pytest.approx(norm, rel=1e-3)
            # batch norm is frozen, but for its scales and shifts
            assert gradient(trainer, "rgb_encoder.bn1.weight").any()
    after = dict(trainer.network.named_buffers())
    assert all(torch.equal(before, after[name]) for name, before in statistics.items())


def test_gradients_reach_frame_1_through_its_predicted_mask():
    """Frame 2's loss depends on how frame 1 was segmented, which nothing but that mask tells it here."""
    batch = {name: t[..., 16:48, 16:48] for name, t in golden_batch("so").items() if t.ndim > 2}
    network = golden_network("so")
    encode, rgb = network.encode_memory, batch["rgb"].requires_grad_()
    shapes = []

    def memorise_black(frames, masks):
        shapes.append(masks.shape)
        return encode(torch.zeros_like(frames), masks)

    network.encode_memory = memorise_black
    logits = PropagationForward(network)(rgb, batch["gt"][:, 0])
    gradient = torch.autograd.grad(logits[:, 1].square().sum(), rgb)[0]
    assert gradient[:, 1].any()  # not through its colours, so through its mask
    assert not gradient[:, 0].any()
    assert shapes == [(2, 1, 32, 32)] * 2


def test_a_loss_that_is_not_finite_stops_before_the_step():
    trainer, batch = golden_trainer("mo"), small_batch("mo")
    batch["rgb"][1, 2, 0, 5, 5] = torch.nan
    batch["info"] = {"name": ["bear", "dog"]}
    before = {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}
    with pytest.raises(InputError, match=r"iteration 0 has a loss .*nan and .* on the batch .*'bear', 'dog'"):
        trainer.step(batch)
    assert trainer.iteration == 0
    assert all(torch.equal(t, before[name]) for name, t in trainer.network.state_dict().items())


def test_clipping_and_reduced_precision():
    trainer = golden_trainer("so", clip_grad=1.0, amp=True)
    result = trainer.step(golden_batch("so"))
    assert result.gradient_norm > 100
    total = torch.stack([p.grad.norm() for p in trainer.network.parameters()]).norm()
    assert total == pytest.approx(1.0, rel=1e-3)
    assert result.logits.dtype == torch.float32
    assert result.losses.tolist() == pytest.approx([1.0846, 0.8946], rel=2e-2)  # golden, in full precision


@pytest.mark.parametrize("processes", [1, 2])
def test_every_sample_is_dealt_out_once_an_epoch_whatever_the_number_of_processes(processes):
    def epochs(count, size, iterations, seed=3):
        orders = [
            BatchOrder(10, size, Ranks(torch.device("cpu"), rank, count), seed) for rank in range(count)
        ]
        for order in orders:
            order.seek(iterations)
        return [list(chain(*shares)) for shares in zip(*orders, strict=True)]

    first = epochs(processes, 4 // processes, 0)
    assert first == epochs(1, 4, 0)
    assert len(first) == 2
    assert len({sample for batch in first for sample in batch}) == 8
    assert epochs(processes, 4 // processes, 1) == first[1:]  # resumed in the middle
    assert epochs(processes, 4 // processes, 2) != first  # the next epoch has its own order
    assert epochs(processes, 4 // processes, 0, seed=4) != first


def test_metrics_are_weighted_means_and_empty_ones_are_left_out():
    metrics = LogIntegrator(ALONE)
    for shared, either in ((3, 4), (1, 8), (0, 0)):
        metrics.add("iou", torch.tensor(shared), torch.tensor(either))
        metrics.add("loss", float(either))
        metrics.add("never", 0, 0)
    assert metrics.conclude() == {"iou": pytest.approx(4 / 12), "loss": pytest.approx(4)}
    metrics.add("loss", 7.0)
    assert metrics.conclude() == {"loss": 7}


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["mo", "so"])
def test_two_processes_give_the_gradients_of_one(variant, tmp_path):
    """Batch 1 in each of two processes equals batch 2 in one, for stage 2 and for stage 0."""
    run_two_ranks(tmp_path / "log", "tests.training.distributed_step", variant, tmp_path / "step.pth")
    both = torch.load(tmp_path / "step.pth")
    alone = golden_trainer(variant)
    alone.step(small_batch(variant))
    for name, parameter in alone.network.named_parameters():
        # The bias of memory keys shifts a query's scores all alike: its gradient is rounding noise.
        floor = 1e-6 if name == "kv_m_f16.key_proj.bias" else 0
        difference = (both["gradients"][name] - parameter.grad).norm()
        assert difference <= 1e-4 * parameter.grad.norm() + floor, name
    assert both["processes"] == 2
    assert both["statistics_are_shared"]
