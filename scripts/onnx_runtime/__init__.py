"""Propagation by exported graphs: NumPy and onnxruntime, without PyTorch.

Written to be ported: `engine.py` calls the graphs and carries masks from frame to frame. By design it uses
no code of the project but `InputError`. The command, `__main__.py`, reads and resizes pictures with Pillow.
"""
