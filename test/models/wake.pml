/*
 * Sleeping and waking (native/parking.h, lane_sending.cc, lane_receiving.cc, lane_sleeping.cc): a producer and a consumer of a ring that
 * go to sleep whenever they have nothing to do. A wake-up that is lost leaves both asleep: Spin calls that an invalid end state.
 *
 * Spin's memory is sequentially consistent. So each side has a store buffer for each word that it writes. A store goes into the buffer,
 * and reaches memory at some later time; stores to different words in any order. Loads are in program order.
 *   relaxed store             into the buffer
 *   release store             into the buffer; reaches memory when the stores before it have
 *   seq_cst store, exchange   the side goes on when its buffer is empty
 *
 * -DCONSUMER_FUTEX, -DPRODUCER_FUTEX   the side sleeps on the futex, as ...Sync methods do; otherwise in its event loop
 * A futex sleep is bounded in the code (5 ms). Here it is not: a sleep that only the bound ends is a lost wake-up.
 *
 * Faults, each of which must be found:
 * -DNO_FENCE_PUBLISH    a publication does not wait for memory before the look at the consumer's state
 * -DNO_FENCE_ANNOUNCE_C, -DNO_FENCE_ANNOUNCE_P   an announcement does not wait for memory before the second look
 * -DNO_FENCE_REPORT     a report does not wait for memory before the look at the producer's state
 * -DNO_LOOK_C, -DNO_LOOK_P   no second look after the announcement
 * -DNO_AGAIN            an event loop that is woken and finds nothing does not announce itself again (the late wake-up)
 * -DNO_RELEASE          the header may reach memory before the payload
 */
#ifndef MESSAGES
#define MESSAGES 4
#endif
/* One place is the cleared header behind the last record. */
#define PLACES 3
#define DEPTH 2

#define AWAKE 0
#define LOOP 1
#define FUTEX 2

/* Shared memory. */
bool header[PLACES];
byte payload[PLACES];
byte consumed;
byte consumer_state, producer_state;

/* Bytes on the socket, and threads woken on the futex. A full socket needs no more than one. */
bool bell_of_consumer, bell_of_producer;
bool consumer_on_futex, producer_on_futex;
/* Announcements and wake-ups so far: no sleep costs two. */
byte consumer_announced, consumer_woken, producer_announced, producer_woken;

/* The store buffers. A header's entry is its place and value. */
chan headers = [DEPTH] of { byte, bool };
chan payloads = [DEPTH] of { byte, byte };
chan producer_states = [DEPTH] of { byte };
chan positions = [DEPTH] of { byte };
chan consumer_states = [DEPTH] of { byte };

#define PRODUCER_IS_SEEN (empty(headers) && empty(payloads) && empty(producer_states))
#define CONSUMER_IS_SEEN (empty(positions) && empty(consumer_states))

byte at_memory, value_memory;
bool set_memory;

active proctype memory() {
end:
  do
#ifdef NO_RELEASE
  :: d_step { nempty(headers) -> headers ? at_memory, set_memory; header[at_memory] = set_memory }
#else
  :: d_step { nempty(headers) && empty(payloads) -> headers ? at_memory, set_memory; header[at_memory] = set_memory }
#endif
  :: d_step { nempty(payloads) -> payloads ? at_memory, value_memory; payload[at_memory] = value_memory }
  :: d_step { nempty(producer_states) -> producer_states ? value_memory; producer_state = value_memory }
  :: d_step { nempty(positions) -> positions ? value_memory; consumed = value_memory }
  :: d_step { nempty(consumer_states) -> consumer_states ? value_memory; consumer_state = value_memory }
  od
}

/* claim_wake of parking.h, and the wake-up. */
inline wake_consumer() {
  where = consumer_state;
  if
  :: where == AWAKE
  :: else ->
    atomic { PRODUCER_IS_SEEN; where = consumer_state; consumer_state = AWAKE }
    if
    :: where == AWAKE
    :: where == LOOP -> d_step { consumer_woken++; assert(consumer_woken <= consumer_announced); bell_of_consumer = true }
    :: where == FUTEX -> d_step { consumer_woken++; assert(consumer_woken <= consumer_announced); consumer_on_futex = false }
    fi
  fi;
  where = AWAKE
}

inline wake_producer() {
  where = producer_state;
  if
  :: where == AWAKE
  :: else ->
    atomic { CONSUMER_IS_SEEN; where = producer_state; producer_state = AWAKE }
    if
    :: where == AWAKE
    :: where == LOOP -> d_step { producer_woken++; assert(producer_woken <= producer_announced); bell_of_producer = true }
    :: where == FUTEX -> d_step { producer_woken++; assert(producer_woken <= producer_announced); producer_on_futex = false }
    fi
  fi;
  where = AWAKE
}

inline announce_producer(how) {
  atomic { nfull(producer_states); producer_states ! how; producer_announced++ }
#ifndef NO_FENCE_ANNOUNCE_P
  PRODUCER_IS_SEEN
#endif
}

inline announce_consumer(how) {
  atomic { nfull(consumer_states); consumer_states ! how; consumer_announced++ }
#ifndef NO_FENCE_ANNOUNCE_C
  CONSUMER_IS_SEEN
#endif
}

/* Room for a record and the cleared header behind it. */
#define HAS_ROOM (produced + 2 - seen <= PLACES)

active proctype producer() {
  byte produced, seen, where;
  do
  :: produced == MESSAGES -> break
  :: produced < MESSAGES && HAS_ROOM ->
    headers ! ((produced + 1) % PLACES), false;
    payloads ! (produced % PLACES), produced + 1;
    headers ! (produced % PLACES), true;
    produced++;
#ifndef NO_FENCE_PUBLISH
    PRODUCER_IS_SEEN;
#endif
    wake_consumer()
  :: produced < MESSAGES && !HAS_ROOM ->
    seen = consumed;
    if
    :: HAS_ROOM
    :: else ->
#ifdef PRODUCER_FUTEX
      announce_producer(FUTEX);
#ifndef NO_LOOK_P
      seen = consumed;
#endif
      if
      :: HAS_ROOM
      :: else ->
        /* The kernel compares the word, as this thread sees it, and puts the thread to sleep in one. */
        atomic {
          if
          :: empty(producer_states) && producer_state != FUTEX
          :: else -> producer_on_futex = true
          fi
        }
        !producer_on_futex
      fi;
      producer_states ! AWAKE
#else
      announce_producer(LOOP);
#ifndef NO_LOOK_P
      seen = consumed;
#endif
      do
      :: HAS_ROOM -> break
      :: else ->
        atomic { bell_of_producer -> bell_of_producer = false }
        seen = consumed;
        if
        :: HAS_ROOM
        :: else ->
#ifndef NO_AGAIN
          announce_producer(LOOP);
          seen = consumed
#else
          skip
#endif
        fi
      od
#endif
    fi
  od
}

#define IS_READY header[taken % PLACES]

active proctype consumer() {
  byte taken, reported, where;
  do
  :: taken == MESSAGES -> break
  :: taken < MESSAGES ->
    if
    :: IS_READY ->
      assert(payload[taken % PLACES] == taken + 1);
      taken++;
      /* Reports are lazy: an eighth of the ring, or what the consumer feels like. */
      if
      :: positions ! taken;
#ifndef NO_FENCE_REPORT
        CONSUMER_IS_SEEN;
#endif
        reported = taken;
        wake_producer()
      :: true
      fi
    :: else ->
      if
      :: reported != taken ->
        positions ! taken;
#ifndef NO_FENCE_REPORT
        CONSUMER_IS_SEEN;
#endif
        reported = taken;
        wake_producer()
      :: else
      fi;
#ifdef CONSUMER_FUTEX
      announce_consumer(FUTEX);
      if
#ifndef NO_LOOK_C
      :: IS_READY
#endif
      :: else ->
        atomic {
          if
          :: empty(consumer_states) && consumer_state != FUTEX
          :: else -> consumer_on_futex = true
          fi
        }
        !consumer_on_futex
      fi;
      consumer_states ! AWAKE
#else
      announce_consumer(LOOP);
#ifdef NO_LOOK_C
      atomic { bell_of_consumer -> bell_of_consumer = false }
#endif
      do
      :: IS_READY -> break
      :: else ->
        atomic { bell_of_consumer -> bell_of_consumer = false }
#ifndef NO_AGAIN
        if
        :: IS_READY
        :: else -> announce_consumer(LOOP)
        fi
#endif
      od;
      consumer_states ! AWAKE
#endif
    fi
  od;
  /* The end of the connection wakes a producer that waits for room: nothing more is asked of it here. */
  positions ! taken;
  CONSUMER_IS_SEEN;
  wake_producer()
}
