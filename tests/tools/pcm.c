// SPDX-License-Identifier: GPL-2.0
/*
 * Sound without a library, in 16 bits little endian at 48 kHz:
 *
 *     pcm make FILE CHANNELS FRAMES     random samples, none of them zero
 *     pcm play DEVICE CHANNELS FILE     all of the file is in the ring before the first packet goes out; silence follows
 *     pcm record DEVICE CHANNELS FRAMES FILE
 *     pcm within FILE PART              all of PART's bytes are somewhere in FILE, in one piece
 *     pcm heard FILE PART               the same, but FILE is a .wav, and silence may be between frames of two channels
 *
 * The ring takes the whole clip, so that how late this program runs changes nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sound/asound.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define RATE 48000
#define SAMPLE_BYTES 2
#define WAV_HEADER 44

static void fail(const char *what)
{
	fprintf(stderr, "pcm: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned char *load(const char *path, size_t *size)
{
	struct stat info;
	unsigned char *data;
	int fd = open(path, O_RDONLY);
	size_t done = 0;

	if (fd < 0)
		fail(path);
	if (fstat(fd, &info))
		fail(path);
	*size = S_ISBLK(info.st_mode) ? lseek(fd, 0, SEEK_END) : info.st_size;
	lseek(fd, 0, SEEK_SET);
	data = malloc(*size + 1);
	while (done < *size) {
		ssize_t count = read(fd, data + done, *size - done);

		if (count <= 0)
			fail(path);
		done += count;
	}
	close(fd);
	return data;
}

static void save(const char *path, const void *data, size_t size)
{
	FILE *file = fopen(path, "w");

	if (!file || fwrite(data, 1, size, file) != size || fclose(file))
		fail(path);
}

static void set_mask(struct snd_pcm_hw_params *params, int which, unsigned int bit)
{
	struct snd_mask *mask = &params->masks[which - SNDRV_PCM_HW_PARAM_FIRST_MASK];

	memset(mask, 0, sizeof(*mask));
	mask->bits[bit / 32] = 1U << (bit % 32);
}

static void set_interval(struct snd_pcm_hw_params *params, int which, unsigned int least, unsigned int most)
{
	struct snd_interval *interval = &params->intervals[which - SNDRV_PCM_HW_PARAM_FIRST_INTERVAL];

	memset(interval, 0, sizeof(*interval));
	interval->min = least;
	interval->max = most;
	interval->integer = least == most;
}

/* A device that starts when it is told to, with a ring for the whole clip. */
static int prepare(const char *device, unsigned int channels, unsigned int frames, int flags)
{
	struct snd_pcm_hw_params hardware;
	struct snd_pcm_sw_params software;
	unsigned int ring;
	int fd = open(device, flags);

	if (fd < 0)
		fail(device);
	memset(&hardware, 0, sizeof(hardware));
	memset(hardware.masks, 0xff, sizeof(hardware.masks));
	for (int i = SNDRV_PCM_HW_PARAM_FIRST_INTERVAL; i <= SNDRV_PCM_HW_PARAM_LAST_INTERVAL; i++)
		set_interval(&hardware, i, 0, ~0U);
	hardware.rmask = ~0U;
	set_mask(&hardware, SNDRV_PCM_HW_PARAM_ACCESS, SNDRV_PCM_ACCESS_RW_INTERLEAVED);
	set_mask(&hardware, SNDRV_PCM_HW_PARAM_FORMAT, SNDRV_PCM_FORMAT_S16_LE);
	set_mask(&hardware, SNDRV_PCM_HW_PARAM_SUBFORMAT, SNDRV_PCM_SUBFORMAT_STD);
	set_interval(&hardware, SNDRV_PCM_HW_PARAM_CHANNELS, channels, channels);
	set_interval(&hardware, SNDRV_PCM_HW_PARAM_RATE, RATE, RATE);
	set_interval(&hardware, SNDRV_PCM_HW_PARAM_PERIOD_SIZE, RATE / 50, RATE / 5);
	set_interval(&hardware, SNDRV_PCM_HW_PARAM_BUFFER_SIZE, frames, ~0U);
	if (ioctl(fd, SNDRV_PCM_IOCTL_HW_PARAMS, &hardware))
		fail("HW_PARAMS");
	ring = hardware.intervals[SNDRV_PCM_HW_PARAM_BUFFER_SIZE - SNDRV_PCM_HW_PARAM_FIRST_INTERVAL].min;
	memset(&software, 0, sizeof(software));
	software.period_step = 1;
	software.avail_min = 1;
	software.start_threshold = ~0UL >> 1;
	software.stop_threshold = ring;
	software.boundary = ring;
	while (software.boundary * 2 <= 0x7fffffffUL - ring)
		software.boundary *= 2;
	if (ioctl(fd, SNDRV_PCM_IOCTL_SW_PARAMS, &software))
		fail("SW_PARAMS");
	if (ioctl(fd, SNDRV_PCM_IOCTL_PREPARE))
		fail("PREPARE");
	fprintf(stderr, "# ring of %u frames for %u\n", ring, frames);
	return fd;
}

static void play(const char *device, unsigned int channels, const char *path)
{
	size_t size;
	unsigned char *data = load(path, &size);
	/* The driver stops a few packets early when it drains: let them be silent ones. */
	unsigned int frames = size / (SAMPLE_BYTES * channels) + RATE / 10;
	struct snd_xferi transfer = { .frames = frames };
	int fd = prepare(device, channels, frames, O_RDWR);

	transfer.buf = calloc(frames, SAMPLE_BYTES * channels);
	memcpy(transfer.buf, data, size);

	if (ioctl(fd, SNDRV_PCM_IOCTL_WRITEI_FRAMES, &transfer) || transfer.result != (long)frames)
		fail("WRITEI_FRAMES");
	if (ioctl(fd, SNDRV_PCM_IOCTL_START))
		fail("START");
	if (ioctl(fd, SNDRV_PCM_IOCTL_DRAIN))
		fail("DRAIN");
	close(fd);
}

static void record(const char *device, unsigned int channels, unsigned int frames, const char *path)
{
	size_t size = (size_t)frames * SAMPLE_BYTES * channels;
	unsigned char *data = calloc(1, size);
	unsigned int done = 0;
	int fd = prepare(device, channels, frames, O_RDWR);

	if (ioctl(fd, SNDRV_PCM_IOCTL_START))
		fail("START");
	while (done < frames) {
		struct snd_xferi transfer = { .buf = data + (size_t)done * SAMPLE_BYTES * channels, .frames = frames - done };

		/* The kernel gives up after ten seconds without a sample. How long to wait is up to whoever started this. */
		if (ioctl(fd, SNDRV_PCM_IOCTL_READI_FRAMES, &transfer) && errno != EIO)
			fail("READI_FRAMES");
		done += transfer.result;
	}
	close(fd);
	save(path, data, size);
}

static void make(const char *path, size_t samples)
{
	uint16_t *data = malloc(samples * SAMPLE_BYTES);
	int fd = open("/dev/urandom", O_RDONLY);

	for (size_t done = 0; done < samples * SAMPLE_BYTES;) {
		ssize_t count = read(fd, (char *)data + done, samples * SAMPLE_BYTES - done);

		if (count <= 0)
			fail("/dev/urandom");
		done += count;
	}
	for (size_t i = 0; i < samples; i++)
		data[i] = data[i] ? data[i] : 1;
	save(path, data, samples * SAMPLE_BYTES);
}

/* Where the two differ for the longest common beginning: what went wrong, and when. */
static void explain(const unsigned char *data, size_t size, const unsigned char *part, size_t length)
{
	size_t begin = 0, same = 0;
	unsigned char *found = memmem(data, size, part, length < 16 ? length : 16);

	if (found) {
		begin = found - data;
		while (same < length && begin + same < size && data[begin + same] == part[same])
			same++;
	}
	fprintf(stderr, "pcm: of %zu bytes %zu are there (in %zu bytes, from %zu)\n", length, same, size, begin);
}

static int within(const unsigned char *data, size_t size, const unsigned char *part, size_t length)
{
	if (length && memmem(data, size, part, length))
		return 0;
	explain(data, size, part, length);
	return 1;
}

static int heard(const char *path, const char *clip)
{
	size_t size, length, kept = 0;
	unsigned char *data = load(path, &size), *part = load(clip, &length);
	uint32_t end;

	if (size < WAV_HEADER || memcmp(data, "RIFF", 4)) {
		fprintf(stderr, "pcm: %s is no .wav\n", path);
		return 1;
	}
	memcpy(&end, data + WAV_HEADER - 4, sizeof(end));
	end = end < size - WAV_HEADER ? end : size - WAV_HEADER;
	for (size_t at = 0; at + 4 <= end; at += 4) {
		static const unsigned char silence[4];

		if (memcmp(data + WAV_HEADER + at, silence, 4)) {
			memmove(data + kept, data + WAV_HEADER + at, 4);
			kept += 4;
		}
	}
	fprintf(stderr, "# %u bytes of sound, %zu of them not silent\n", end, kept);
	if (kept == length && !memcmp(data, part, length))
		return 0;
	explain(data, kept, part, length);
	return 1;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "make")) {
		make(argv[2], (size_t)atoi(argv[3]) * atoi(argv[4]));
	} else if (argc == 5 && !strcmp(argv[1], "play")) {
		play(argv[2], atoi(argv[3]), argv[4]);
	} else if (argc == 6 && !strcmp(argv[1], "record")) {
		record(argv[2], atoi(argv[3]), atoi(argv[4]), argv[5]);
	} else if (argc == 4 && !strcmp(argv[1], "within")) {
		size_t size, length;
		unsigned char *data = load(argv[2], &size), *part = load(argv[3], &length);

		return within(data, size, part, length);
	} else if (argc == 4 && !strcmp(argv[1], "heard")) {
		return heard(argv[2], argv[3]);
	} else {
		fprintf(stderr, "usage: pcm make|play|record|within|heard ..\n");
		return 2;
	}
	return 0;
}
