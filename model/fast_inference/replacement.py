"""Replacement of modules of a network."""

from collections.abc import Callable

from torch import nn


def replace_modules(
    network: nn.Module, quicker: Callable[[str, nn.Module], nn.Module | None], prefix: str = ""
) -> None:
    """Replace modules of a network in place.

    Args:
        network: the network.
        quicker: function from a module's name and the module to its replacement, or None to keep it.
        prefix: prefix of the names.
    """
    for attribute, module in [*network.named_children()]:
        name = f"{prefix}{attribute}"
        replacement = quicker(name, module)
        if replacement is None:
            replace_modules(module, quicker, f"{name}.")
        else:
            setattr(network, attribute, replacement)
