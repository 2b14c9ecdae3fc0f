# SPDX-License-Identifier: GPL-2.0
# kernels: debug
# modules: c
# expect: 99
# complaint: kmemleak: [0-9]+ new suspected memory leaks
#
# Proof that memory which is lost fails a job on the kernel that looks for it, even memory that was lost just now.

. /tests/lib.sh
insmod /tests/modules/usbip-leak.ko || die "no module that loses memory"
ok "the job itself is content"
exit 0
