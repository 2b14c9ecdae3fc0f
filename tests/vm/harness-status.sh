# SPDX-License-Identifier: GPL-2.0
# once: yes
# modules: c
# vm: --icount
# expect: 7
#
# Proof that a job's own status comes through, and that its output does too, whole.

seq 1 20000 | sha256sum
exit 7
