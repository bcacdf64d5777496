"""How modules of a network give way to others that compute the same."""

from collections.abc import Callable

from torch import nn


def replace_modules(
    network: nn.Module, quicker: Callable[[str, nn.Module], nn.Module | None], prefix: str = ""
) -> None:
    """Replace modules of a network in place.

    Args:
        network: what holds them.
        quicker: returns what is to take the place of a module, given its name and itself; None to keep it.
        prefix: of the names.
    """
    for attribute, module in [*network.named_children()]:
        name = f"{prefix}{attribute}"
        replacement = quicker(name, module)
        if replacement is None:
            replace_modules(module, quicker, f"{name}.")
        else:
            setattr(network, attribute, replacement)
