# SPDX-License-Identifier: GPL-2.0
# once: yes
# modules: c
# vm: --timeout 3
# expect: 124
#
# Proof that a job without end is ended.

sleep 100
