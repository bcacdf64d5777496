import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from model.training.losses import (
    Bootstrap,
    bootstrapped_cross_entropy,
    count_overlap,
    frame_losses,
    hard_fraction,
)
from tests.conftest import GOLDEN


def test_bootstrapped_cross_entropy_and_its_schedule_match_golden():
    golden = np.load(GOLDEN / "losses.npz")
    logits, target = torch.from_numpy(golden["logits"]), torch.from_numpy(golden["target"])
    for iteration, (loss, fraction) in zip(golden["iterations"], golden["loss_and_p"], strict=True):
        assert hard_fraction(int(iteration)) == pytest.approx(fraction, abs=1e-9)
        ours = bootstrapped_cross_entropy(logits, target, hard_fraction(int(iteration)))
        assert ours.item() == pytest.approx(loss, rel=1e-5)


@pytest.fixture
def batch():
    """Logits and targets of three samples, the second of which has no second object."""
    torch.manual_seed(0)
    logits, target = torch.randn(3, 2, 3, 10, 12), torch.randint(0, 3, (3, 2, 10, 12))
    target[1].clamp_(max=1)
    return logits.requires_grad_(), target, torch.tensor([[1.0, 1], [1, 0], [1, 1]])


@pytest.mark.parametrize("fraction", [1.0, 0.3])
def test_frame_losses_equal_a_loop_over_samples_and_frames(batch, fraction):
    logits, target, selector = batch
    by_hand = torch.zeros(2)
    for sample in range(3):
        channels = 3 if selector[sample, 1] else 2
        for frame in range(2):
            pixels = F.cross_entropy(
                logits[sample, frame, :channels][None], target[sample, frame][None], reduction="none"
            )
            hardest = pixels.flatten().sort(descending=True).values[: int(fraction * 120)]
            by_hand[frame] = by_hand[frame] + hardest.mean() / 3
    losses = frame_losses(logits, target, selector, fraction)
    torch.testing.assert_close(losses, by_hand)
    ours = torch.autograd.grad(losses.sum(), logits)[0]
    torch.testing.assert_close(ours, torch.autograd.grad(by_hand.sum(), logits)[0])
    assert not ours[1, :, 2].any()


def test_s2m_takes_the_hardest_pixels_of_the_whole_batch():
    golden = json.loads((GOLDEN / "recipe.json").read_text())["s2m_loss"]
    for example in golden["examples"]:
        logits = torch.tensor(example["logits"]).view(golden["shape"]).unsqueeze(1)
        target = torch.tensor([int(label) for label in example["targets"]])
        target = target.view(golden["target_shape"]).unsqueeze(1)
        for iteration, loss, p, _, per_picture in example["results"]:
            fraction = hard_fraction(iteration, Bootstrap(10_000, 30_000))
            assert fraction == pytest.approx(p, abs=1e-6)
            pooled = frame_losses(logits, target, None, fraction, pooled=True)
            assert pooled.tolist() == pytest.approx([loss], abs=1e-5)
            apart = frame_losses(logits, target, None, fraction)
            assert apart.tolist() == pytest.approx([per_picture], abs=1e-5)


def test_overlap_counts_pixels_of_each_object():
    classes = torch.tensor([[0, 1, 1, 2], [2, 2, 0, 0]])
    logits = F.one_hot(classes, 3).permute(2, 0, 1).float()[None, None]  # 1 x 1 x 3 x 2 x 4
    target = torch.tensor([[1, 1, 1, 2], [0, 2, 0, 1]])[None, None]
    intersection, union = count_overlap(logits, target)
    assert intersection.tolist() == [2, 2]
    assert union.tolist() == [4, 3]
