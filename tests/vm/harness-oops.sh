# SPDX-License-Identifier: GPL-2.0
# once: yes
# modules: c
# expect: 99
# complaint: rebind_store.*\[usbip_host\]
#
# Proof that a kernel's complaint fails a job, whatever the job says: the C usbip-host oopses when it is told to
# rebind a bus id that was never bound.

. /tests/lib.sh
modprobe usbip-host
printf 'add 9-9' >$HOST/match_busid
(printf '9-9' >$HOST/rebind)
ok "the job itself is content"
exit 0
