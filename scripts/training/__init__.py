"""What `train.py` shows of a run: means of metrics over processes, and pictures of batches and samples."""
