// SPDX-License-Identifier: GPL-2.0
/*
 * What exists in C only as a macro or an inline function, one line each, beyond the kernel's own rust_helper_*.
 *
 * No logic belongs here. A function that is added is exported and described to Rust (as
 * usbip_kernel's bindings::usbip_helper_..) by the build alone.
 */

#include <linux/bottom_half.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/lockdep.h>
#include <linux/net.h>
#include <linux/nospec.h>
#include <linux/platform_device.h>
#include <linux/pm_runtime.h>
#include <linux/rcupdate.h>
#include <linux/rcuwait.h>
#include <linux/scatterlist.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/sysfs.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/usb.h>
#include <linux/usb/hcd.h>
#include <linux/wait.h>
#include <net/sock.h>

/* Locks */

unsigned long usbip_helper_spin_lock_irqsave(spinlock_t *lock)
{
	unsigned long flags;

	spin_lock_irqsave(lock, flags);
	return flags;
}

void usbip_helper_spin_unlock_irqrestore(spinlock_t *lock, unsigned long flags)
{
	spin_unlock_irqrestore(lock, flags);
}

bool usbip_helper_spin_trylock_irqsave(spinlock_t *lock, unsigned long *flags)
{
	return spin_trylock_irqsave(lock, *flags);
}

void usbip_helper_local_bh_disable(void)
{
	local_bh_disable();
}

void usbip_helper_local_bh_enable(void)
{
	local_bh_enable();
}

bool usbip_helper_irqs_disabled(void)
{
	return irqs_disabled();
}

unsigned long usbip_helper_local_irq_save(void)
{
	unsigned long flags;

	local_irq_save(flags);
	return flags;
}

void usbip_helper_local_irq_restore(unsigned long flags)
{
	local_irq_restore(flags);
}

/* The caller has changed what the waiters look at with a fully ordered atomic operation. */
void usbip_helper_wake_up_all(struct wait_queue_head *head)
{
	if (waitqueue_active(head))
		wake_up_all(head);
}

void usbip_helper_rcuwait_init(struct rcuwait *wait)
{
	rcuwait_init(wait);
}

/* The two steps of rcuwait_wait_event() before the condition. */
void usbip_helper_rcuwait_prepare(struct rcuwait *wait)
{
	prepare_to_rcuwait(wait);
	set_current_state(TASK_IDLE);
}

/* Timers */

void usbip_helper_timer_setup_on_stack(struct timer_list *timer, void (*ring)(struct timer_list *timer))
{
	timer_setup_on_stack(timer, ring, 0);
}

void usbip_helper_timer_start(struct timer_list *timer, long delay)
{
	if (!timer_pending(timer))
		mod_timer(timer, jiffies + delay);
}

void usbip_helper_timer_destroy_on_stack(struct timer_list *timer)
{
	timer_shutdown_sync(timer);
	timer_destroy_on_stack(timer);
}

/* Memory */

unsigned int usbip_helper_memalloc_noio_save(void)
{
	return memalloc_noio_save();
}

void usbip_helper_memalloc_noio_restore(unsigned int flags)
{
	memalloc_noio_restore(flags);
}

unsigned int usbip_helper_memalloc_noio_leave(void)
{
	unsigned int left = current->flags & PF_MEMALLOC_NOIO;

	current->flags &= ~left;
	return left;
}

void usbip_helper_memalloc_noio_return(unsigned int left)
{
	current->flags |= left;
}

void *usbip_helper_kmalloc(size_t size, gfp_t flags)
{
	return kmalloc(size, flags);
}

size_t usbip_helper_dma_alignment(void)
{
	return dma_get_cache_alignment();
}

void *usbip_helper_sg_virt(struct scatterlist *sg)
{
	return sg_virt(sg);
}

unsigned long usbip_helper_array_index_nospec(unsigned long index, unsigned long size)
{
	return array_index_nospec(index, size);
}

void usbip_helper_pagefault_disable(void)
{
	pagefault_disable();
}

void usbip_helper_pagefault_enable(void)
{
	pagefault_enable();
}

/* Files */

bool usbip_helper_is_nowait(struct kiocb *kiocb)
{
	return kiocb->ki_flags & IOCB_NOWAIT;
}

/* Tasks */

bool usbip_helper_signal_pending(void)
{
	return signal_pending(current);
}

/* The same as for RCU itself on kernels without it. */
void usbip_helper_synchronize_rcu_tasks(void)
{
	synchronize_rcu_tasks();
}

/* Devices */

void usbip_helper_device_lock(struct device *dev)
{
	device_lock(dev);
}

void usbip_helper_device_unlock(struct device *dev)
{
	device_unlock(dev);
}

void *usbip_helper_dev_get_drvdata(const struct device *dev)
{
	return dev_get_drvdata(dev);
}

void usbip_helper_dev_set_drvdata(struct device *dev, void *data)
{
	dev_set_drvdata(dev, data);
}

int usbip_helper_pm_runtime_resume_and_get(struct device *dev)
{
	return pm_runtime_resume_and_get(dev);
}

void usbip_helper_pm_runtime_put_noidle(struct device *dev)
{
	pm_runtime_put_noidle(dev);
}

void usbip_helper_pm_runtime_put_autosuspend(struct device *dev)
{
	pm_runtime_put_autosuspend(dev);
}

/* Attributes on the heap need a lock class that is not in them. */
void usbip_helper_sysfs_attr_init(struct attribute *attr)
{
	sysfs_attr_init(attr);
}

/* Sockets */

bool usbip_helper_sk_is_tcp(const struct sock *sk)
{
	return sk_is_tcp(sk);
}

void usbip_helper_sk_set_rcvtimeo(struct sock *sk, long timeout)
{
	WRITE_ONCE(sk->sk_rcvtimeo, timeout);
}

void usbip_helper_sk_set_sndtimeo(struct sock *sk, long timeout)
{
	WRITE_ONCE(sk->sk_sndtimeo, timeout);
}

/* sk_use_task_frag: the fragment of the task may be in use already when reclaim ends up in the socket. */
void usbip_helper_sk_set_noio(struct sock *sk)
{
	lock_sock(sk);
	sk->sk_allocation = GFP_NOIO;
	sk->sk_use_task_frag = false;
	release_sock(sk);
}

void usbip_helper_sock_hold(struct sock *sk)
{
	sock_hold(sk);
}

void usbip_helper_sock_put(struct sock *sk)
{
	sock_put(sk);
}

unsigned long usbip_helper_socket_inode_number(struct socket *sock)
{
	return SOCK_INODE(sock)->i_ino;
}

/* USB devices */

int usbip_helper_usb_trylock_device(struct usb_device *udev)
{
	return usb_trylock_device(udev);
}

void usbip_helper_usb_unlock_device(struct usb_device *udev)
{
	usb_unlock_device(udev);
}

/* USB host controllers */

void usbip_helper_hcd_set_has_tt(struct usb_hcd *hcd, bool has_tt)
{
	hcd->has_tt = has_tt;
}

void usbip_helper_hcd_set_accessible(struct usb_hcd *hcd, bool accessible)
{
	assign_bit(HCD_FLAG_HW_ACCESSIBLE, &hcd->flags, accessible);
}

/* Completions expect an atomic context; softirqs must not be run from here with interrupts off. */
void usbip_helper_hcd_giveback_urb(struct usb_hcd *hcd, struct urb *urb, int status)
{
	bool bh = !irqs_disabled();

	if (bh)
		local_bh_disable();
	usb_hcd_giveback_urb(hcd, urb, status);
	if (bh)
		local_bh_enable();
}

void usbip_helper_hcd_keep_awake(struct usb_device *udev)
{
	dev_pm_syscore_device(&udev->dev, true);
}

/* Whether user space has been told of the device, and not yet that it is gone. */
bool usbip_helper_hcd_is_announced(const struct usb_device *udev)
{
	return udev->dev.kobj.state_add_uevent_sent && READ_ONCE(udev->state) != USB_STATE_NOTATTACHED;
}
