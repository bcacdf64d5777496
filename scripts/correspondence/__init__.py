"""Dense correspondences between two pictures: the program behind `interactive_gui.py`.

The windows (`windows.py`) take mouse and keys, `results.py` finds selections by the network's features and
writes the answers to files, and `drawing.py` draws source and target.
"""
