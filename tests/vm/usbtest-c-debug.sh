# SPDX-License-Identifier: GPL-2.0
# vm: --smp 2 --timeout 400
# kernels: debug
# modules: c
# record: yes
#
# For the record: usbtest with the C modules on the debug kernel, which finds them using memory after they have
# freed it. What comes of it differs from run to run, and says nothing about ours.

. /tests/lib.sh
. /tests/usbtest.sh
usbtest_local high 480
