// ceiling N THREADS: starts /bin/true N times by posix_spawn and waits for each, in THREADS
// threads; prints the starts per second. No orchestrator on this machine can be faster.
#define _GNU_SOURCE
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

enum { kMaxThreads = 64 };

static void* StartAndWait(void* count) {
  char name[] = "/bin/true";
  char* arguments[] = {name, NULL};
  char* environment[] = {NULL};
  for (long left = *(const long*)count; left > 0; --left) {
    pid_t pid = 0;
    int status = 0;
    if (posix_spawn(&pid, name, NULL, NULL, arguments, environment) != 0 ||
        waitpid(pid, &status, 0) != pid || status != 0) {
      fputs("ceiling: /bin/true did not run\n", stderr);
      exit(1);
    }
  }
  return NULL;
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fputs("usage: ceiling N THREADS\n", stderr);
    return 2;
  }
  const int threads = atoi(argv[2]);
  if (threads < 1 || threads > kMaxThreads) return 2;
  long each = atol(argv[1]) / threads;
  pthread_t running[kMaxThreads];
  struct timespec before;
  struct timespec after;
  clock_gettime(CLOCK_MONOTONIC, &before);
  for (int i = 0; i < threads; ++i) pthread_create(&running[i], NULL, StartAndWait, &each);
  for (int i = 0; i < threads; ++i) pthread_join(running[i], NULL);
  clock_gettime(CLOCK_MONOTONIC, &after);
  const double seconds = (double)(after.tv_sec - before.tv_sec) +
                         (double)(after.tv_nsec - before.tv_nsec) / 1e9;
  printf("%.0f\n", (double)(each * threads) / seconds);
  return 0;
}
