"""Fetching of weights and data sets: what is behind the download scripts.

`sources.py` knows the addresses and `terms.py` asks for agreement; a file is fetched whole (`transfer.py`,
room on the disk by `free_space.py`), checked and unpacked beside its place (`archives.py`), and appears
there at once (`installation.py`). `bl30k.py` does this for the six segments of BL30K.
"""
