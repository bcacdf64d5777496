"""What the scripts share around the model: evaluation, files, palette, devices, errors."""
