"""How long PyTorch's idle threads spin; import this before PyTorch.

By default a thread that has finished its part spins for milliseconds, which takes processor time from other
busy programs. Here it sleeps after some tens of microseconds. Sleeping at once would be slower: waking up
takes longer than many matrix products. OpenMP reads the variable once, when it is loaded; a user's own value
stays.
"""

import os

os.environ.setdefault("GOMP_SPINCOUNT", "20000")  # rounds
