/*
 * Taking over a name, and the store of its mailboxes (lib/transport/places/taking.ts, name-lock.ts, endpoint.ts; lib/mailbox/client/host.ts,
 * store/sqlite-tables.ts): processes that each want to be the broker of one name, and may be killed between any two steps.
 *
 * A process takes the lock of the name (flock), looks whether the locked file is still at its path, probes the socket, asks the kernel
 * whether another process has the name, removes a socket without a listener, binds, and raises the epoch of the store. Each
 * turn of a broker is a transaction, which reads the epoch first.
 *
 * Held: two processes never listen on the name at once. With -DCLEANER, which is a program that removes the files of a live name,
 * that can't be held by files alone; the epoch then sees to it that only the last owner writes.
 *
 * Faults, each of which must be found:
 * -DNO_RECHECK   the locked file may be one that its last owner has just removed
 * -DNO_LOCK      the socket is probed and removed without the lock
 * -DNO_FENCE     a turn does not read the epoch
 * -DFENCE_OUTSIDE   a turn reads the epoch before its transaction
 */
#define PROCESSES 3
#define FILES 6
#ifndef DEATHS
#define DEATHS 2
#endif

/* What lies at the two paths: the number of the lock's file, and whose socket it is. 0: nothing. */
byte lock_path, socket_path;
/* By file: the process that holds its lock. */
byte holder[FILES];
byte files;
bool listening[PROCESSES + 1];
byte listeners;
byte deaths;
byte removals;
/* The store: its epoch, and the process that has raised it last. */
byte epoch, owner;

inline maybe_die() {
  if
  :: true
  :: deaths < DEATHS -> deaths++; goto dead
  fi
}

inline let_go() {
  atomic { holder[file] = 0; file = 0 }
}

proctype process(byte me) {
  byte file, found, mine, seen, tries, turns;
again:
  if
  :: tries == 2 -> goto done
  :: else -> tries++
  fi;
#ifndef NO_LOCK
  /* open(O_CREAT), then flock. */
  atomic {
    if
    :: lock_path == 0 -> files++; lock_path = files
    :: else
    fi;
    file = lock_path
  }
  maybe_die();
  if
  :: atomic { holder[file] == 0 -> holder[file] = me }
  :: atomic { holder[file] != 0 -> file = 0 } goto again
  fi;
  maybe_die();
#ifndef NO_RECHECK
  if
  :: file == lock_path
  :: else -> let_go(); goto again
  fi;
#endif
#endif
  /* The probe: a connection is accepted, refused, or there is no socket. */
  found = socket_path;
  maybe_die();
  if
  :: found != 0 && listening[found] -> goto give_up
  :: else
  fi;
#ifndef CLEANER
  /* The kernel's list of sockets tells of an owner whose files are gone. A cleaner may work where that can't be seen. */
  if
  :: listeners > 0 -> goto give_up
  :: else
  fi;
#endif
  maybe_die();
  if
  :: found != 0 -> socket_path = 0
  :: else
  fi;
  maybe_die();
  if
  :: atomic { socket_path == 0 -> socket_path = me; listening[me] = true; listeners++ }
  :: socket_path != 0 -> goto give_up
  fi;
#ifndef CLEANER
  assert(listeners == 1);
#endif
  maybe_die();
  atomic { epoch++; mine = epoch; owner = me }
  do
  :: turns < 2 -> turns++;
    maybe_die();
#ifdef FENCE_OUTSIDE
    seen = epoch;
    if
    :: seen == mine -> assert(owner == me)
    :: else -> goto lost
    fi
#else
    atomic {
      if
#ifdef NO_FENCE
      :: assert(owner == me)
#else
      :: epoch == mine -> assert(owner == me)
      :: epoch != mine -> goto lost
#endif
      fi
    }
#endif
  :: break
  od;
lost:
  /* An orderly end: the socket, then the lock, then the listener. Only its own files. */
  if
  :: socket_path == me -> maybe_die(); socket_path = 0
  :: else
  fi;
  maybe_die();
#ifndef NO_LOCK
  if
  :: file == lock_path -> maybe_die(); lock_path = 0
  :: else
  fi;
  maybe_die();
  let_go();
#endif
  maybe_die();
  atomic { listening[me] = false; listeners-- }
  goto done;
give_up:
  if
  :: file != 0 -> let_go()
  :: else
  fi;
  goto again;
dead:
  /* The kernel closes its descriptors. The files stay. */
  atomic {
    if
    :: file != 0 && holder[file] == me -> holder[file] = 0
    :: else
    fi;
    if
    :: listening[me] -> listening[me] = false; listeners--
    :: else
    fi;
    file = 0
  }
done:
  skip
}

#ifdef CLEANER
active proctype cleaner() {
  do
  :: removals < 2 -> removals++; lock_path = 0
  :: removals < 2 -> removals++; socket_path = 0
  :: break
  od
}
#endif

init {
#ifdef CLEANER
  /* The files may go at any moment: two processes have as many states as three have without that. */
  atomic { run process(1); run process(2) }
#else
  atomic { run process(1); run process(2); run process(3) }
#endif
}
