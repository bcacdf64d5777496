"""The training half: a start from scratch, the forward over three frames, losses, and the trainer."""
