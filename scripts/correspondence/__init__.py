"""Where points or a region of one picture lie in another: the program behind `interactive_gui.py`.

Mouse and keys come in at the windows (`windows.py`), are looked up in the network's features (`results.py`,
which also writes the answers to files), and go out as drawings of source and target (`drawing.py`).
"""
