"""Reading of frames and masks, for evaluation and training."""
