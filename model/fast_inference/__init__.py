"""What makes a trained network quick, for inference alone: the same function in fewer and cheaper steps."""
