"""System calls that a notebook in bubblewrap is refused, as a filter for the kernel (seccomp).

bubblewrap decides what can be seen; the watchdog adds up what processes use. This closes ways around both:

- namespaces of one's own, in which one is root, may mount and may reach more of the kernel;
- memory that belongs to no process (``memfd_create``, ``shmget``, ``semget``, ``msgget``, shared ``mmap``
  without a file), which nobody would count;
- sockets that a network namespace does not keep apart;
- processors that are set aside for other runs;
- looking into other processes, the kernel's log and keys, and parts of the kernel that no notebook needs.

The filter is a short program of eight-byte instructions, see ``man 2 seccomp``.
"""

import errno
import os
import struct

# Numbers of system calls, for x86_64 and aarch64 (asm/unistd_64.h, asm-generic/unistd.h).
REFUSED = {
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "syslog": (103, 116),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "perf_event_open": (298, 241),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "sched_setaffinity": (203, 122),
}
SOCKET = (41, 198)
# Unix, IPv4, IPv6 and netlink, which namespaces keep apart; others, such as VSOCK, they do not.
FAMILIES = (1, 2, 10, 16)
MMAP = (9, 222)
SHARED, WITHOUT_FILE = 0x01, 0x20
CLONE = (56, 220)
# Its flags lie in memory, where a filter cannot look; C libraries do without it.
CLONE3 = 435
NEW_USER = 0x10000000
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
# Calls of x86_64 with 32-bit pointers have this bit.
X32 = 0x40000000

LOAD, EQUAL, AT_LEAST, HAS_BITS, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16
FOURTH_ARGUMENT = FIRST_ARGUMENT + 3 * 8
ALLOW, ERROR = 0x7FFF0000, 0x00050000


def filter_program(machine: str | None = None) -> bytes:
    """Return the filter for a kind of machine.

    Parameters
    ----------
    machine : str, optional
        As ``uname -m`` names it; this computer, if not given.

    Returns
    -------
    bytes
        The program; none for a machine whose numbers are not known here.

    Examples
    --------
    >>> len(filter_program("x86_64")) % 8
    0
    >>> filter_program("riscv64")
    b''
    """
    machine = machine or os.uname().machine
    if machine not in MACHINES:
        return b""
    column, architecture = MACHINES[machine]
    refuse, unknown = ERROR | errno.EPERM, ERROR | errno.ENOSYS
    steps = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, architecture),
        (RETURN, 0, 0, unknown),
        (LOAD, 0, 0, NUMBER),
        *_returning(AT_LEAST, X32, unknown),
        *_returning(EQUAL, CLONE3, unknown),
    ]
    for numbers in REFUSED.values():
        steps += _returning(EQUAL, numbers[column], refuse)
    steps += _sockets(SOCKET[column], ERROR | errno.EAFNOSUPPORT)
    steps += [
        (EQUAL, 0, 5, MMAP[column]),
        (LOAD, 0, 0, FOURTH_ARGUMENT),
        (HAS_BITS, 0, 2, WITHOUT_FILE),
        (HAS_BITS, 0, 1, SHARED),
        (RETURN, 0, 0, refuse),
        (RETURN, 0, 0, ALLOW),
        (EQUAL, 0, 3, CLONE[column]),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        *_returning(HAS_BITS, NEW_USER, refuse),
        (RETURN, 0, 0, ALLOW),
    ]
    return b"".join(struct.pack("<HBBI", *step) for step in steps)


def _sockets(number, refuse):
    """Allow sockets of some families, and refuse all others."""
    count = len(FAMILIES)
    return [
        (EQUAL, 0, count + 3, number),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        *[(EQUAL, count - i, 0, family) for i, family in enumerate(FAMILIES)],
        (RETURN, 0, 0, refuse),
        (RETURN, 0, 0, ALLOW),
    ]


def _returning(test, value, answer):
    """Return an answer if the test holds, else go on."""
    return [(test, 0, 1, value), (RETURN, 0, 0, answer)]
