"""Downloads of weights and data sets, shared by the download scripts.

`sources.py` has the addresses and terms, `transfer.py` fetches one file, and `installation.py` turns an
archive into a folder that is there whole or not at all.
"""
