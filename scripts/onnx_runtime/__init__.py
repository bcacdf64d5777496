"""Propagation by exported graphs: NumPy and onnxruntime, without PyTorch.

Written to be ported: `graphs.py` calls the network, `pictures.py` is arithmetic on pictures, `memory.py` what
is remembered of one object, `engine.py` the loop over frames. The command, `__main__.py`, needs Pillow too.
"""
