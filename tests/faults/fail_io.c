/* Makes the N-th write or flush of files under a folder fail, for tests of what happens then.
 *
 * Loaded with LD_PRELOAD. FAULT_FOLDER: part of the path of the files meant; FAULT_AT: which call
 * fails, from 1, and every one after it; FAULT_ERRNO: with what.
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

static int fails(int fd) {
  const char *folder = getenv("FAULT_FOLDER");
  const char *at = getenv("FAULT_AT");
  const char *error = getenv("FAULT_ERRNO");
  if (!folder || !at || !error) return 0;
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  if (!strstr(path, folder)) return 0;
  if (atomic_fetch_add(&calls, 1) + 1 < atol(at)) return 0;
  errno = atoi(error);
  return 1;
}

ssize_t write(int fd, const void *bytes, size_t count) {
  static ssize_t (*real)(int, const void *, size_t);
  if (!real) real = dlsym(RTLD_NEXT, "write");
  return fails(fd) ? -1 : real(fd, bytes, count);
}

int fsync(int fd) {
  static int (*real)(int);
  if (!real) real = dlsym(RTLD_NEXT, "fsync");
  return fails(fd) ? -1 : real(fd);
}

int fdatasync(int fd) {
  static int (*real)(int);
  if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
  return fails(fd) ? -1 : real(fd);
}
