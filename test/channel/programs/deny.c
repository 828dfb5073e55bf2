// A sandbox: preloaded into a process, it has the kernel refuse the system calls named in DENY (separated by commas) with EPERM. With
// DENY_FROM, the path of a file, it does so from when that file is there.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#endif

#define ANY (-1)

static const struct {
  const char* name;
  int number;
  int second;  // the second argument, or ANY
} kCalls[] = {
    {"socket", SYS_socket, ANY},           {"bind", SYS_bind, ANY},
    {"connect", SYS_connect, ANY},         {"listen", SYS_listen, ANY},
    {"flock", SYS_flock, ANY},             {"getsockopt", SYS_getsockopt, ANY},
    {"memfd_create", SYS_memfd_create, ANY}, {"recvmsg", SYS_recvmsg, ANY},
    {"sendmsg", SYS_sendmsg, ANY},         {"sendto", SYS_sendto, ANY},
    {"seals", SYS_fcntl, F_ADD_SEALS},     {"seals", SYS_fcntl, F_ADD_SEALS + 1},
};

static void deny(void) {
  struct sock_filter filter[5 * sizeof kCalls / sizeof kCalls[0] + 1];
  unsigned short length = 0;
  char* wanted = strdup(getenv("DENY"));
  for (char* name = strtok(wanted, ","); name != NULL; name = strtok(NULL, ",")) {
    for (size_t i = 0; i < sizeof kCalls / sizeof kCalls[0]; ++i) {
      if (strcmp(kCalls[i].name, name) != 0) continue;
      const int any = kCalls[i].second == ANY;
      filter[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
      filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kCalls[i].number, 0, any ? 1 : 3);
      if (!any) {
        filter[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]));
        filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kCalls[i].second, 0, 1);
      }
      filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    }
  }
  filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog program = {length, filter};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0) abort();
  free(wanted);
}

static void* deny_later(void* path) {
  while (access(path, F_OK) != 0) usleep(1000);
  deny();
  // The program waits for this.
  unlink(path);
  return NULL;
}

__attribute__((constructor)) static void begin(void) {
  pthread_t thread;
  if (getenv("DENY") == NULL) return;
  if (getenv("DENY_FROM") == NULL) return deny();
  pthread_create(&thread, NULL, deny_later, getenv("DENY_FROM"));
}
