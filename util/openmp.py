"""How PyTorch's threads wait for each other; to be imported before PyTorch.

Left to itself, a thread that has done its part spins for milliseconds until the others have: beside other
busy programs, in the time that they need. After a short while it should sleep. Not at once: waking up takes
longer than many of the products of a convolution. The variable is read once, when the library of threads is
loaded; what the user has set stays.
"""

import os

os.environ.setdefault("GOMP_SPINCOUNT", "20000")  # rounds, some tens of microseconds
