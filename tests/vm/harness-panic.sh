# SPDX-License-Identifier: GPL-2.0
# once: yes
# modules: c
# expect: 99
# complaint: Kernel panic - not syncing: sysrq
#
# Proof that a machine whose kernel panics fails its job.

echo c >/proc/sysrq-trigger
sleep 30
exit 0
