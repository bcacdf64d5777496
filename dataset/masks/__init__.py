"""What a mask file means (docs/PROPAGATE.md): from numbers and colours in files to labels of objects."""
