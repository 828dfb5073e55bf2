// The floor of everything that sleeps: two processes that wake each other in turn, with nothing else to do. What a
// mechanism takes beyond this is its own.
#ifndef __linux__
#error "futexes, eventfds and epoll are Linux only"
#endif
#include <errno.h>
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <atomic>
#include <utility>

#include "duel.h"

namespace {

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::_Exit(1);
}

/// Repeats a system call that a signal interrupted.
template <typename Call>
long insist(const char* what, Call call) {
  for (;;) {
    const long result = call();
    if (result >= 0) return result;
    if (errno != EINTR) fail(what);
  }
}

/// A number in shared memory, and its address to sleep at. Whoever rings does not ask whether the other sleeps.
class Futex {
 public:
  void ring(uint64_t i) {
    line_->word.store(static_cast<uint32_t>(i), std::memory_order_release);
    if (futex(FUTEX_WAKE, 1) < 0) fail("FUTEX_WAKE");
  }

  void wait(uint64_t i) {
    for (;;) {
      const uint32_t seen = line_->word.load(std::memory_order_acquire);
      if (seen == static_cast<uint32_t>(i)) return;
      // EAGAIN: it has changed meanwhile.
      if (futex(FUTEX_WAIT, seen) < 0 && errno != EAGAIN && errno != EINTR) fail("FUTEX_WAIT");
    }
  }

 private:
  // Not FUTEX_PRIVATE_FLAG, which is for the threads of one process.
  long futex(int operation, uint32_t value) {
    return syscall(SYS_futex, &line_->word, operation, value, nullptr, nullptr, 0);
  }

  struct Line {
    alignas(128) std::atomic<uint32_t> word{0};
  };
  Line* line_ = duel::share<Line>();
};

/// A descriptor that becomes readable, an epoll that says so, and the read: what an event loop does for each wake-up.
class Epoll {
 public:
  void watch(int descriptor) {
    epoll_ = epoll_create1(0);
    epoll_event event{};
    event.events = EPOLLIN;
    if (epoll_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0) fail("epoll");
  }

  void wait() {
    epoll_event event;
    insist("epoll_wait", [&] { return epoll_wait(epoll_, &event, 1, -1); });
  }

 private:
  int epoll_ = -1;
};

/// A counter of the kernel's that both processes have inherited.
class EventFd {
 public:
  EventFd() : descriptor_(eventfd(0, 0)) {
    if (descriptor_ < 0) fail("eventfd");
    epoll_.watch(descriptor_);
  }

  void ring(uint64_t) {
    const uint64_t one = 1;
    insist("write", [&] { return write(descriptor_, &one, sizeof one); });
  }

  void wait(uint64_t) {
    uint64_t rung;
    epoll_.wait();
    insist("read", [&] { return read(descriptor_, &rung, sizeof rung); });
  }

 private:
  int descriptor_;
  Epoll epoll_;
};

/// How the receiver of a byte learns that it has come.
enum class By { epoll, blocking, polling };

/// A byte over a Unix stream socket.
template <By by>
class Socket {
 public:
  Socket() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) fail("socketpair");
    sender_ = ends[0];
    receiver_ = ends[1];
    if constexpr (by == By::epoll) epoll_.watch(receiver_);
  }

  void ring(uint64_t) {
    const char byte = 1;
    insist("send", [&] { return send(sender_, &byte, 1, 0); });
  }

  void wait(uint64_t) {
    char byte;
    if constexpr (by == By::polling) {
      while (recv(receiver_, &byte, 1, MSG_DONTWAIT) < 0) {
        if (errno != EAGAIN && errno != EINTR) fail("recv");
      }
    } else {
      if constexpr (by == By::epoll) epoll_.wait();
      insist("recv", [&] { return recv(receiver_, &byte, 1, 0); });
    }
  }

 private:
  int sender_ = -1;
  int receiver_ = -1;
  Epoll epoll_;
};

/// A bell each way; both exist before the fork.
template <typename Bell>
void round_trips(const duel::Task& task) {
  Bell there;
  Bell back;
  const auto driver = [&] {
    duel::time_round_trips(task.count, [&](uint64_t i) {
      there.ring(i);
      back.wait(i);
    });
  };
  const auto peer = [&] {
    const uint64_t total = duel::total_round_trips(task.count);
    for (uint64_t i = 1; i <= total; i++) {
      there.wait(i);
      back.ring(i);
    }
  };
  duel::run(task, driver, peer);
}

constexpr std::pair<const char*, void (*)(const duel::Task&)> kModes[] = {
    {"futex", round_trips<Futex>},
    {"eventfd", round_trips<EventFd>},
    {"socket", round_trips<Socket<By::epoll>>},
    {"socket-blocking", round_trips<Socket<By::blocking>>},
    {"socket-polling", round_trips<Socket<By::polling>>},
};

}  // namespace

int main(int argc, char** argv) {
  const duel::Task task = duel::parse(argc, argv);
  for (const auto& [name, run] : kModes) {
    if (task.mode != name) continue;
    run(task);
    return 0;
  }
  duel::refuse(task);
}
