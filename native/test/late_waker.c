/*
 * A peer whose wake-up comes late: it takes the announcement of a sleeper back, rings, and has nothing to tell. An honest
 * producer does that too, when it is interrupted between a publication and the look at the consumer's state, and the
 * consumer has taken the record and gone to sleep meanwhile. The sleeper has to announce itself again. Exit status 0 if
 * it did.
 *
 *   late_waker SOCKET        the listener sends back what it gets; its codec is text()
 */
#define main example_main
#include "../../examples/c/peer.c"
#undef main

static bool asleep_within(int milliseconds) {
  for (; milliseconds > 0; --milliseconds) {
    if (atomic_load(out.consumer_state) == IN_POLL) return true;
    usleep(1000);
  }
  return false;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  join(argv[1], "text", 0);
  for (int round = 0; round < 20; ++round) {
    if (!asleep_within(5000)) die("the listener never slept");
    if (atomic_exchange(out.consumer_state, AWAKE) == IN_POLL) tell(BELL);
    if (!asleep_within(5000)) die("woken for nothing, the listener did not announce itself again");
  }
  if (!transmit(&out, MESSAGE, "awake?", 6)) die("the listener has closed");
  struct message answer;
  if (!receive(&answer)) die("no answer");
  release(&answer);
  close_in_order();
  return 0;
}
