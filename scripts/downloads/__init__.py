"""Downloads of weights and data sets, shared by the download scripts.

`sources.py` has the addresses and terms, `transfer.py` fetches one file, `installation.py` turns an archive
into a folder that is there whole or not at all, and `free_space.py` checks the disk.
"""
