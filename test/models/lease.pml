/*
 * Posting, claiming and acknowledging a message of a mailbox (lib/mailbox/broker, machine/machine.ts, machine/leases.ts): a sender, two
 * consumers of one process, and a broker that may be killed between any two steps and is followed by another.
 *
 * A turn of the broker changes the store in a transaction, commits, and answers then. What was not committed is gone with the broker,
 * as are requests and answers that were on their way. A lease may end at any time, so that an acknowledgement may come late, also at the
 * next broker.
 *
 * Held: a message that was accepted is in the store, queued or claimed, until one acknowledgement is accepted; that is the one of its
 * present delivery; and afterwards it is delivered no more.
 *
 * Faults, each of which must be found:
 * -DNO_TOKEN       an acknowledgement names the message and its holder alone
 * -DTOKENS_ANEW    a new broker numbers its deliveries from the beginning, and not from its epoch
 * -DANSWER_FIRST   the broker answers before it commits
 */
#define CONSUMERS 2
#ifndef DEATHS
#define DEATHS 2
#endif
#ifndef ENDS
#define ENDS 2
#endif
#define PER_EPOCH 16

mtype = { NOWHERE, QUEUED, CLAIMED, GONE };
mtype = { POST, CLAIM, ACK };
mtype = { ACCEPTED, DELIVERED, NOTHING, LOST };

/* The store, committed. */
mtype stored = NOWHERE;
byte stored_token;
byte epoch;

byte generation;   /* which broker lives */
byte deaths, ends;
/* For the property: deliveries so far, the present one, and whether one was acknowledged. */
byte deliveries, present, acknowledged;
bool accepted;
/* The delivery that a consumer has at hand. */
byte was_of[3];

/* Requests name the connection by the generation of the broker: a new broker has new connections. */
chan requests = [3] of { mtype, byte, byte, byte };      /* what, who, token, generation */
chan answers[3] = [1] of { mtype, byte, byte };          /* what, token, delivery */

active proctype broker() {
  mtype what, changed;
  byte who, token, via, last, changed_token, delivery, was;
  mtype answer;
begin:
  /* The epoch is raised, and the claims of the store are taken as they stand. */
  atomic {
    epoch++;
#ifdef TOKENS_ANEW
    last = 0;
#else
    last = epoch * PER_EPOCH;
#endif
  }
end:
  do
  :: atomic { nempty(requests) -> requests ? what, who, token, via; changed = stored; changed_token = stored_token; delivery = present }
    if
    :: via != generation -> goto end    /* it came over a connection that is no more */
    :: else
    fi;
    if
    :: what == POST -> changed = QUEUED; answer = ACCEPTED; token = 0
    :: what == CLAIM && stored == QUEUED ->
      last++;
      changed = CLAIMED; changed_token = last; token = last; answer = DELIVERED;
      delivery = deliveries + 1
    :: what == CLAIM && stored != QUEUED -> answer = NOTHING
#ifdef NO_TOKEN
    :: what == ACK && stored == CLAIMED ->
#else
    :: what == ACK && stored == CLAIMED && stored_token == token ->
#endif
      changed = GONE; answer = ACCEPTED
    :: else -> answer = LOST
    fi;
#ifdef ANSWER_FIRST
    atomic {
      if
      :: what == POST -> answers[who] ! answer, token, delivery
      :: else
      fi
    }
#endif
    if
    :: true
    :: deaths < DEATHS -> goto dies
    fi;
    atomic {
      /* The commit. */
      if
      :: what == CLAIM && answer == DELIVERED ->
        assert(acknowledged == 0);
        deliveries = delivery; present = delivery
      :: what == ACK && answer == ACCEPTED -> acknowledged++; assert(acknowledged == 1); assert(was_of[who] == present)
      :: else
      fi;
      stored = changed; stored_token = changed_token
    }
    if
    :: true
    :: deaths < DEATHS -> goto dies
    fi;
    atomic {
#ifdef ANSWER_FIRST
      if
      :: what == POST
      :: else -> answers[who] ! answer, token, delivery
      fi
#else
      answers[who] ! answer, token, delivery
#endif
    }
  :: atomic { ends < ENDS && stored == CLAIMED -> ends++; stored = QUEUED; stored_token = 0 }
  :: atomic { deaths < DEATHS -> goto dies }
  od;
dies:
  atomic { deaths++; generation++ }
  goto begin
}

active proctype sender() {
  byte via, token, delivery;
  mtype answer;
  via = generation;
  requests ! POST, 2, 0, via;
  if
  :: answers[2] ? answer, token, delivery -> accepted = true
  /* The end of the connection: whether it was stored is not known, and nothing was promised. */
  :: generation != via && empty(answers[2])
  fi;
  /* An answer that was sent is read, even if the broker died after it. */
  assert(!accepted || stored != NOWHERE || acknowledged > 0)
}

active [CONSUMERS] proctype consumer() {
  byte via, token, delivery, tries, me;
  mtype answer;
  me = _pid - 2;
  do
  :: tries == 2 -> break
  :: tries < 2 ->
    tries++;
    via = generation;
    requests ! CLAIM, me, 0, via;
    if
    :: answers[me] ? answer, token, delivery ->
      if
      :: answer == DELIVERED ->
        was_of[me] = delivery;
acknowledge:
        via = generation;
        requests ! ACK, me, token, via;
        if
        :: answers[me] ? answer, _, _
        /* It is sent again over the next connection: the answer says whether it still counts. */
        :: generation != via && empty(answers[me]) -> goto acknowledge
        fi
      :: else
      fi
    :: generation != via && empty(answers[me])
    fi
  od
}
