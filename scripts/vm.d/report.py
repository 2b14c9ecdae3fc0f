# SPDX-License-Identifier: GPL-2.0
"""Find in a kernel log what the kernel complains about."""

import re

# Each of these is printed by the kernel only when something is wrong in the kernel. A time stamp is required in
# front, because what a program writes to the console has none.
COMPLAINTS = re.compile(
    r"^\[ *\d+\.\d+\](?:\[[^\]]*\])? .*?("
    r"\bBUG: |\bBUG at |\bWARNING: |\bOops\b|\bKASAN: |\bKCSAN: |\bKFENCE: |\bUBSAN: |\bODEBUG: "
    r"|Kernel panic|general protection fault|unable to handle|stack segment:|invalid opcode:|divide error:"
    r"|INFO: task .* blocked|self-detected stall|detected stalls|detected expedited stalls|soft lockup|hard LOCKUP"
    r"|possible circular locking|possible recursive locking|inconsistent lock state|suspicious RCU usage"
    r"|sleeping function called from invalid context|scheduling while atomic|bad unlock balance|held lock freed"
    r"|kmemleak: [1-9]\d* new suspected|Kernel memory leak detector disabled|list_(?:add|del) corruption"
    r"|refcount_t: |Bad page state|double free"
    r"|Slab .* Objects remaining|rust_kernel: panicked|\bCall Trace:"
    r")",
    re.IGNORECASE,
)
CONTEXT_LINES = 45


def first_complaint(log):
    """The first complaint with what follows it, or None."""
    lines = log.splitlines()
    for index, line in enumerate(lines):
        if COMPLAINTS.match(line):
            return "\n".join(lines[index : index + CONTEXT_LINES])
    return None
