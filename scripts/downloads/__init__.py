"""Downloads of weights and data sets: addresses, transfer of a file, installation of an archive."""
