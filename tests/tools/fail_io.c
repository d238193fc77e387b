/* Makes the N-th call on files under a folder fail, for tests of what happens then.
 *
 * Loaded with LD_PRELOAD. FAULT_FOLDER: part of the path of the files meant; FAULT_AT: which call
 * fails, from 1; FAULT_ERRNO: with what. FAULT_KIND: "write" (and flush, rename, truncate), that
 * call and every one after it; "short", the same, but half of the first write still arrives;
 * "once", that call alone; "read", that read and every one after it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_long calls;

static const char *kind(void) {
  const char *kind = getenv("FAULT_KIND");
  return kind ? kind : "write";
}

/* The number of this call from the one that fails on: 0 for that one, negative before. */
static long after(const char *path) {
  const char *folder = getenv("FAULT_FOLDER");
  const char *at = getenv("FAULT_AT");
  if (!folder || !at || !strstr(path, folder)) return -1;
  return atomic_fetch_add(&calls, 1) + 1 - atol(at);
}

static long after_on(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return -1;
  path[length] = 0;
  return after(path);
}

static int fails(long number) {
  if (number < 0 || (number > 0 && !strcmp(kind(), "once"))) return 0;
  errno = atoi(getenv("FAULT_ERRNO"));
  return 1;
}

static int is_reading(void) { return !strcmp(kind(), "read"); }

#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *bytes, size_t count) {
  REAL(write);
  if (is_reading()) return real(fd, bytes, count);
  long number = after_on(fd);
  if (number == 0 && count > 1 && !strcmp(kind(), "short")) return real(fd, bytes, count / 2);
  return fails(number) ? -1 : real(fd, bytes, count);
}

int fsync(int fd) {
  REAL(fsync);
  return !is_reading() && fails(after_on(fd)) ? -1 : real(fd);
}

int fdatasync(int fd) {
  REAL(fdatasync);
  return !is_reading() && fails(after_on(fd)) ? -1 : real(fd);
}

int ftruncate64(int fd, off64_t length) {
  REAL(ftruncate64);
  return !is_reading() && fails(after_on(fd)) ? -1 : real(fd, length);
}

int rename(const char *from, const char *to) {
  REAL(rename);
  return !is_reading() && fails(after(to)) ? -1 : real(from, to);
}

ssize_t read(int fd, void *bytes, size_t count) {
  REAL(read);
  return is_reading() && fails(after_on(fd)) ? -1 : real(fd, bytes, count);
}

ssize_t pread64(int fd, void *bytes, size_t count, off64_t offset) {
  REAL(pread64);
  return is_reading() && fails(after_on(fd)) ? -1 : real(fd, bytes, count, offset);
}
