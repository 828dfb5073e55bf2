// Unix sockets, non-blocking and closed on exec, with the peer's identity and passed descriptors; and a lock on a file.
// Functions return -1 and leave the reason in errno, unless they say otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <sys/types.h>

namespace ringbell {

inline constexpr int kWouldBlock = -2;
// Stands in place of a descriptor that came along, but that this process has no room for (too many open files).
inline constexpr int kLost = -2;

struct Credentials {
  pid_t pid;
  uid_t uid;
  gid_t gid;
};

// The file has the permission bits `mode` before anyone can connect.
int socket_listen(const std::string& path, mode_t mode, int backlog, const char** syscall);
// A connection, or kWouldBlock if none waits.
int socket_accept(int listener);
int socket_connect(const std::string& path, const char** syscall);
bool socket_credentials(int socket, Credentials& credentials);
// Returns the bytes sent, or kWouldBlock. `passed` travels with the first byte unless it is -1. No SIGPIPE.
ssize_t socket_send(int socket, const std::byte* bytes, size_t length, int passed);
// Returns the bytes received, 0 at the end, or kWouldBlock. `passed`: the descriptor that came along, kLost, or -1; more of them are
// closed.
// A read ends behind the bytes that a descriptor was sent with (Linux), or before them (macOS): there is one a read.
ssize_t socket_receive(int socket, std::byte* into, size_t length, int& passed);
// Returns the bytes received, 0 at the end, or kWouldBlock. The kernel closes descriptors that come along.
ssize_t socket_receive_bytes(int socket, std::byte* into, size_t length);

// A descriptor that holds the lock of the file (made with 0600 if it is not there), or kWouldBlock if another holds it.
// The kernel frees the lock with the descriptor.
int lock_file(const std::string& path, const char** syscall);

// When a process started, in the platform's unit; 0 if there is no such process.
uint64_t process_start(pid_t pid);

}  // namespace ringbell
