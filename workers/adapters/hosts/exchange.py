"""Two folders change places in one step, where the system can do that."""

import ctypes
import os
from errno import EINVAL, ENOSYS, ENOTSUP
from pathlib import Path

HERE = -100
EXCHANGE = 2
UNABLE = {ENOSYS, EINVAL, ENOTSUP}


def exchange(one: Path, other: Path) -> bool:
    """Let two folders of one file system change names, both or neither; False if this system can't."""
    library = ctypes.CDLL(None, use_errno=True)
    if hasattr(library, "renameat2"):  # Linux
        failed = library.renameat2(HERE, os.fsencode(one), HERE, os.fsencode(other), EXCHANGE)
    elif hasattr(library, "renamex_np"):  # macOS
        failed = library.renamex_np(os.fsencode(one), os.fsencode(other), EXCHANGE)
    else:
        return False
    if failed and ctypes.get_errno() not in UNABLE:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(one))
    return not failed
