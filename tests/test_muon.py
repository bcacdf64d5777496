"""Muon: its directions against the singular value decomposition, its steps, turns and state."""

import math

import pytest
import torch
from torch import nn

from model.network import PropagationNetwork
from scripts.one_shot.muon import (
    EVERY,
    REACH,
    Muon,
    as_matrix,
    as_weights,
    matrix_shape,
    nearest_orthogonal,
    turns,
)

LR = 1e-3
DECAY = 1e-2


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-3), (torch.bfloat16, 0.05)])
@pytest.mark.parametrize("shape", [(24, 60), (60, 24), (32, 32)])
def test_a_direction_has_the_singular_vectors_and_values_near_one(shape, dtype, tolerance):
    torch.manual_seed(0)
    rank = min(shape)
    left, _, right = torch.linalg.svd(torch.randn(shape, dtype=torch.float64), full_matrices=False)
    values = torch.logspace(0, -2, rank, dtype=torch.float64)
    matrix = 1e-6 * (left * values) @ right  # as small as gradients are
    found = nearest_orthogonal(matrix.to(dtype)).double()
    between = left.T @ found @ right.T
    assert 0.65 < between.diagonal().min() < between.diagonal().max() < 1.25
    assert (between - between.diagonal().diag()).abs().max() < tolerance


def test_no_gradient_has_no_direction():
    assert not nearest_orthogonal(torch.zeros(3, 5)).any()


def convolutions():
    """The first three have enough channels for Muon."""
    return nn.Sequential(*(nn.Conv2d(*each) for each in ((3, 20, 3), (20, 16, 3), (16, 20, 1), (20, 1, 1))))


@pytest.fixture(params=[torch.contiguous_format, torch.channels_last])
def network(request):
    torch.manual_seed(0)
    return convolutions().to(memory_format=request.param)


def stepped(network, optimizer, times, scale=1.0):
    torch.manual_seed(1)
    gradients = [torch.empty_like(each).copy_(torch.randn(each.shape)) for each in network.parameters()]
    for _ in range(times):
        for weight, gradient in zip(network.parameters(), gradients, strict=True):
            weight.grad = scale * gradient
        optimizer.step()
    return gradients


def weights(network):
    return [weight.detach().clone() for weight in network.parameters()]


def test_a_convolution_moves_once_in_its_turns_and_all_else_by_adam(network):
    before = weights(network)
    muon = Muon(network.parameters(), LR, DECAY)
    seen = []
    for _ in range(EVERY):
        old = weights(network)
        gradients = stepped(network, muon, 1)
        seen.append([not torch.equal(*pair) for pair in zip(old, network.parameters(), strict=True)])
    moves = torch.tensor(seen).sum(dim=0).tolist()
    # weight and bias of each
    assert moves == [1, EVERY, 1, EVERY, 1, EVERY, EVERY, EVERY]
    assert max(sum(step[:6:2]) for step in seen) == 1  # one at a time
    for number in (0, 2, 4):
        moved = as_matrix(network.get_parameter(f"{number // 2}.weight") - before[number]).detach()
        left, _, right = torch.linalg.svd(as_matrix(gradients[number]), full_matrices=False)
        reach = EVERY * REACH * LR
        assert moved.square().mean().sqrt() == pytest.approx(reach, rel=0.25)
        assert torch.cosine_similarity(moved.flatten(), -(left @ right).flatten(), dim=0) > 0.98

    parameters = [nn.Parameter(before[i].clone()) for i in (1, 3, 5, 6, 7)]
    adam = torch.optim.Adam(parameters, lr=LR, weight_decay=DECAY)
    for _ in range(EVERY):
        for parameter, i in zip(parameters, (1, 3, 5, 6, 7), strict=True):
            parameter.grad = gradients[i]
        adam.step()
    found = list(network.parameters())
    for parameter, i in zip(parameters, (1, 3, 5, 6, 7), strict=True):
        torch.testing.assert_close(found[i], parameter)


def test_steps_do_not_depend_on_the_size_of_gradients_nor_on_where_weights_lie(network):
    start = weights(network)
    muon = Muon(network.parameters(), LR, 0.0)
    stepped(network, muon, EVERY, scale=1e-6)
    once = weights(network)
    other = convolutions()
    with torch.no_grad():
        for weight, value in zip(other.parameters(), start, strict=True):
            weight.copy_(value)
    stepped(other, Muon(other.parameters(), LR, 0.0), EVERY)
    for number in (0, 2, 4):
        torch.testing.assert_close(once[number], list(other.parameters())[number], rtol=1e-3, atol=1e-6)


def test_a_weight_without_gradient_stays_and_has_no_turn(network):
    muon = Muon(network.parameters(), LR, 0.0)
    before = weights(network)
    for weight in network[0].parameters():
        weight.grad = torch.ones_like(weight)
    muon.step()
    for number, (old, new) in enumerate(zip(before, network.parameters(), strict=True)):
        assert number < 2 or torch.equal(old, new)
    assert network[1].weight not in muon.state


def test_a_step_with_an_infinite_gradient_is_left_out_by_the_scaler(network):
    muon = Muon(network.parameters(), LR, 0.0)
    stepped(network, muon, EVERY)
    scaler = torch.amp.GradScaler("cpu")
    before = weights(network)
    for last in (math.inf, 1.0):
        for _ in range(EVERY):
            loss = network(torch.ones(1, 3, 6, 6)).sum() * last
            muon.zero_grad()
            scaler.scale(loss).backward()
            scaler.unscale_(muon)
            scaler.step(muon)
            scaler.update()
        same = [torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True)]
        assert all(same) if last == math.inf else not any(same)


def test_a_run_goes_on_from_its_state(network):
    muon = Muon(network.parameters(), LR, DECAY)
    stepped(network, muon, EVERY // 2 + 1)
    kept, state = weights(network), muon.state_dict()
    again = convolutions()
    with torch.no_grad():
        for weight, value in zip(again.parameters(), kept, strict=True):
            weight.copy_(value)
    other = Muon(again.parameters(), LR, DECAY)
    other.load_state_dict(state)
    for module, optimizer in ((network, muon), (again, other)):
        stepped(module, optimizer, EVERY)
    for expected, found in zip(network.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(found, expected)


def test_a_closure_is_called_once_and_its_loss_returned(network):
    muon = Muon(network.parameters(), LR, 0.0)
    calls = []

    def closure():
        muon.zero_grad()
        loss = network(torch.ones(1, 3, 6, 6)).sum()
        loss.backward()
        calls.append(loss)
        return loss

    assert muon.step(closure) is calls[0]
    assert len(calls) == 1


def test_turns_cost_about_the_same():
    shapes = [matrix_shape(weight) for weight in PropagationNetwork().parameters()]
    loads = [0] * EVERY
    for (rows, columns), turn in zip(shapes, turns(shapes), strict=True):
        loads[turn] += min(rows, columns) * rows * columns
    assert max(loads) < 1.25 * min(loads)


def test_a_matrix_becomes_the_weights_that_it_was():
    weight = torch.randn(4, 3, 2, 5)
    for laid in (weight, weight.to(memory_format=torch.channels_last)):
        assert torch.equal(as_weights(as_matrix(laid), laid), weight)
        assert as_matrix(laid).shape == matrix_shape(laid)
