// SPDX-License-Identifier: GPL-2.0
/*
 * For tests only: loses memory when it is loaded, so that a kernel which looks for lost memory can be seen to find it.
 */

#include <linux/module.h>
#include <linux/slab.h>

/* More than one: a value that looks like a pointer may be left somewhere. */
#define OBJECTS 16

static int __init leak_init(void)
{
	void *object;
	int i;

	for (i = 0; i < OBJECTS; i++) {
		object = kmalloc(256, GFP_KERNEL);
		/* The compiler would not allocate what is not used. */
		OPTIMIZER_HIDE_VAR(object);
	}
	return 0;
}
module_init(leak_init);

static void __exit leak_exit(void)
{
}
module_exit(leak_exit);

MODULE_DESCRIPTION("Test: memory that is lost");
MODULE_LICENSE("GPL");
