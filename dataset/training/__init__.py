"""Samples for training: which data, random changes of frames and masks, batches."""
