"""The environment in which everything is measured, peers included; it is the one that NumPy finds when it is loaded.

``OPENBLAS_CORETYPE`` and ``OPENBLAS_L2_SIZE`` make a current OpenBLAS choose kernels and blocks for another processor
than this one, and slow. Where they are set, the process starts over without them, and so do the processes it starts.
"""

import os
import sys

SLOW = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")

if found := [name for name in SLOW if name in os.environ]:
    print(f"{' and '.join(found)} unset, for all that is measured", flush=True)
    for name in found:
        del os.environ[name]
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
