"""Propagation by exported graphs: NumPy and onnxruntime, without PyTorch.

Written to be ported: `graphs.py` calls the network, `engine.py` is the loop over frames with the memory
of each object. By design they share no code with the project but `InputError`. The command, `__main__.py`,
also needs Pillow, to read and resize pictures.
"""
