# SPDX-License-Identifier: GPL-2.0
# modules: rust
# again: no
# vm: --smp 2 --timeout 3600
# debug: --smp 2
#
# A server that answers with sequences of PDUs at random, against vhci. See tests/random.sh.

. /tests/lib.sh
. /tests/random.sh
modprobe -a vhci-hcd
random_sequences vhci 4000
check "no thread is left" wait_for 20 threads_gone
check "vhci-hcd unloads" within 60 rmmod vhci-hcd
finish
