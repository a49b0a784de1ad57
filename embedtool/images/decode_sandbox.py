"""Limits on the process that decodes files which may be hostile: its memory, and no network.

Only Linux has both: with address space limits, and with seccomp(2), whose filters are programs for
the packet filter of the kernel (linux/seccomp.h, linux/filter.h).
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from pathlib import Path

MEMORY = 4 << 30  # bytes above those of the start; the largest image that is accepted takes 2.1 GiB
# machine -> (architecture in linux/audit.h, numbers of socket and of io_uring_setup, seccomp)
SYSTEM_CALLS = {
    "x86_64": (0xC000003E, (41, 425), 317),
    "aarch64": (0xC00000B7, (198, 425), 277),
}
FOREIGN = 0x40000000  # from here on, numbers of the x32 ABI
SET_NO_NEW_PRIVILEGES = 38
SET_FILTER, ALL_THREADS = 1, 1
LOAD, IF_EQUAL, IF_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
NUMBER_AT, ARCHITECTURE_AT = 0, 4  # in struct seccomp_data
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def restrict_process() -> None:
    """Limit the memory of this process, and let it open no sockets any more, on Linux.

    The network stays open if the kernel has no seccomp, or on another processor than x86-64 and
    64-bit ARM.
    """
    if sys.platform == "linux":
        _limit_memory()
        if platform.machine() in SYSTEM_CALLS:
            _refuse_sockets(*SYSTEM_CALLS[platform.machine()])


def _limit_memory() -> None:
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY
    _, highest = resource.getrlimit(resource.RLIMIT_AS)
    if highest == resource.RLIM_INFINITY or limit < highest:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _refuse_sockets(architecture: int, refused: tuple[int, ...], seccomp: int) -> None:
    steps = [  # (code, how many steps to skip if true, if false, value)
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (IF_EQUAL, 0, len(refused) + 3, architecture),
        (LOAD, 0, 0, NUMBER_AT),
        (IF_LEAST, len(refused) + 1, 0, FOREIGN),
        *((IF_EQUAL, len(refused) - n, 0, number) for n, number in enumerate(refused)),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, REFUSE),
    ]
    filter = b"".join(struct.pack("=HBBI", *step) for step in steps)
    kernel = ctypes.CDLL(None)
    kernel.prctl(SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    program = ctypes.byref(_Program(len(steps), filter))
    kernel.syscall(seccomp, SET_FILTER, ALL_THREADS, program)
