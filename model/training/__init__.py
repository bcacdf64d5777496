"""Training: the forward pass of each training, losses, and the trainer."""
