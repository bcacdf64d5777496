"""The loop behind the training scripts, and its logs.

A script's task (data, network, forward, schedule) goes into the loop (`loop.py`), which takes the steps,
saves networks and checkpoints, and records means of metrics (`metrics.py`) and pictures of batches
(`pictures.py`).
"""
