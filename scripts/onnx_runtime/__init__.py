"""Propagation by exported graphs: NumPy and onnxruntime, without PyTorch.

`engine.py` is the runtime, written to be ported: it calls the graphs and carries masks from frame to frame.
By design it uses no code of the project but `InputError`. `__main__.py` is an example command, which reads
and resizes pictures with Pillow.
"""
