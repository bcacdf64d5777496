"""Downloads of weights and data sets, shared by the download scripts.

`sources.py` has the addresses, terms and shared flags, `transfer.py` downloads one file, and
`installation.py` unpacks an archive into a folder of the data tree.
"""
