#include "socket.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#if defined(__APPLE__)
#include <libproc.h>
#endif

namespace ringbell {

namespace {

// Descriptors that one message may bring; the kernel discards more.
constexpr size_t kPassedAtMost = 8;

void close_keeping_errno(int descriptor) {
  const int error = errno;
  ::close(descriptor);
  errno = error;
}

#if !defined(__linux__)
bool prepare(int descriptor) {
  const int on = 1;
  return fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 && fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0 &&
         setsockopt(descriptor, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on) == 0;
}
#endif

int open_socket() {
#if defined(__linux__)
  return ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
#else
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM, 0);
  if (descriptor >= 0 && !prepare(descriptor)) {
    close_keeping_errno(descriptor);
    return -1;
  }
  return descriptor;
#endif
}

bool make_address(const std::string& path, sockaddr_un& address) {
  address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return false;
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return true;
}

ssize_t result_of(ssize_t result) {
  return result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? kWouldBlock : result;
}

bool is_refusal(int error) { return error == EPERM || error == EACCES || error == ENOSYS; }

#if defined(__linux__)
constexpr int kSendFlags = MSG_NOSIGNAL;
constexpr int kReceiveFlags = MSG_CMSG_CLOEXEC;
#else
constexpr int kSendFlags = 0;
constexpr int kReceiveFlags = 0;
#endif

}  // namespace

int socket_listen(const std::string& path, mode_t mode, int backlog, const char** syscall) {
  sockaddr_un address;
  *syscall = "bind";
  if (!make_address(path, address)) return -1;
  *syscall = "socket";
  const int descriptor = open_socket();
  if (descriptor < 0) return -1;
  bool bound = false;
  const auto give_up = [&] {
    const int error = errno;
    ::close(descriptor);
    if (bound) ::unlink(path.c_str());
    errno = error;
    return -1;
  };
#if defined(__linux__)
  // Linux gives the file the rights of the unbound socket, so that there is no moment with wider rights.
  *syscall = "fchmod";
  if (fchmod(descriptor, mode) != 0) return give_up();
#endif
  *syscall = "bind";
  if (bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return give_up();
  bound = true;
  // The umask may have taken rights away. No peer can connect before `listen`.
  *syscall = "chmod";
  if (chmod(path.c_str(), mode) != 0) return give_up();
  *syscall = "listen";
  if (listen(descriptor, backlog) != 0) return give_up();
  return descriptor;
}

int socket_accept(int listener) {
  int descriptor;
  do {
#if defined(__linux__)
    descriptor = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
    descriptor = accept(listener, nullptr, nullptr);
#endif
  } while (descriptor < 0 && (errno == EINTR || errno == ECONNABORTED));
#if !defined(__linux__)
  if (descriptor >= 0 && !prepare(descriptor)) {
    close_keeping_errno(descriptor);
    return -1;
  }
#endif
  return static_cast<int>(result_of(descriptor));
}

int socket_connect(const std::string& path, const char** syscall) {
  sockaddr_un address;
  *syscall = "connect";
  if (!make_address(path, address)) return -1;
  *syscall = "socket";
  const int descriptor = open_socket();
  if (descriptor < 0) return -1;
  *syscall = "connect";
  int result;
  do result = connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address);
  while (result != 0 && errno == EINTR);
  if (result != 0) {
    close_keeping_errno(descriptor);
    return -1;
  }
  return descriptor;
}

bool socket_credentials(int socket, Credentials& credentials) {
#if defined(__linux__)
  ucred kernel{};
  socklen_t length = sizeof kernel;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &kernel, &length) != 0) return false;
  credentials = {kernel.pid, kernel.uid, kernel.gid};
  return true;
#else
  credentials = {};
  socklen_t length = sizeof credentials.pid;
  return getpeereid(socket, &credentials.uid, &credentials.gid) == 0 &&
         getsockopt(socket, SOL_LOCAL, LOCAL_PEERPID, &credentials.pid, &length) == 0;
#endif
}

ssize_t socket_send(int socket, const std::byte* bytes, size_t length, int passed) {
  // const_cast: sendmsg takes no const, and does not write.
  iovec part{const_cast<std::byte*>(bytes), length};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  if (passed >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &passed, sizeof(int));
  }
  ssize_t sent;
  do sent = sendmsg(socket, &message, kSendFlags);
  while (sent < 0 && errno == EINTR);
  // A sandbox may refuse the call. Node ignores the SIGPIPE that this one may bring.
  if (sent < 0 && passed < 0 && is_refusal(errno)) sent = ::write(socket, bytes, length);
  return result_of(sent);
}

ssize_t socket_receive(int socket, std::byte* into, size_t length, int& passed) {
  iovec part{into, length};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kPassedAtMost)];
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  passed = -1;
  ssize_t received;
  do received = recvmsg(socket, &message, kReceiveFlags);
  while (received < 0 && errno == EINTR);
  if (received < 0) return result_of(received);
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int descriptor;
      std::memcpy(&descriptor, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
#if !defined(__linux__)
      fcntl(descriptor, F_SETFD, FD_CLOEXEC);
#endif
      if (passed < 0) {
        passed = descriptor;
      } else {
        ::close(descriptor);
      }
    }
  }
  if (passed < 0 && (message.msg_flags & MSG_CTRUNC) != 0) passed = kLost;
  return received;
}

ssize_t socket_receive_bytes(int socket, std::byte* into, size_t length) {
  ssize_t received;
  do received = recv(socket, into, length, 0);
  while (received < 0 && errno == EINTR);
  return result_of(received);
}

int lock_file(const std::string& path, const char** syscall) {
  *syscall = "open";
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return -1;
  *syscall = "flock";
  int result;
  do result = flock(descriptor, LOCK_EX | LOCK_NB);
  while (result != 0 && errno == EINTR);
  if (result == 0) return descriptor;
  close_keeping_errno(descriptor);
  return static_cast<int>(result_of(-1));
}

uint64_t process_start(pid_t pid) {
#if defined(__linux__)
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%d/stat", static_cast<int>(pid));
  std::FILE* file = std::fopen(path, "re");
  if (file == nullptr) return 0;
  char text[1024];
  const size_t length = std::fread(text, 1, sizeof text - 1, file);
  std::fclose(file);
  text[length] = '\0';
  // The second field is a name in parentheses that may hold anything; the start time is field 22, in clock ticks since boot.
  const char* rest = std::strrchr(text, ')');
  if (rest == nullptr) return 0;
  char state = 0;
  unsigned long long start = 0;
  const int found = std::sscanf(
      rest + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &state, &start);
  // A zombie runs no more; it only waits for its parent.
  return found == 2 && state != 'Z' && state != 'X' ? start : 0;
#else
  proc_bsdinfo info{};
  if (proc_pidinfo(pid, PROC_PIDTBSDINFO, 0, &info, sizeof info) != static_cast<int>(sizeof info)) return 0;
  return info.pbi_start_tvsec * 1'000'000 + info.pbi_start_tvusec;
#endif
}

}  // namespace ringbell
