"""The loop behind the training scripts (`loop.py`), and its means of metrics and pictures of batches."""
