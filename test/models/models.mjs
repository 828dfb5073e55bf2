// The models, the variants in which their properties must hold, and the faults that must be found.

const WAITS = [[], ["CONSUMER_FUTEX"], ["PRODUCER_FUTEX"], ["CONSUMER_FUTEX", "PRODUCER_FUTEX"]];

export const MODELS = [
  {
    file: "wake.pml",
    title: "sleep and wake",
    holds: WAITS,
    faults: [
      ["NO_FENCE_PUBLISH"],
      ["NO_FENCE_PUBLISH", "CONSUMER_FUTEX"],
      ["NO_FENCE_ANNOUNCE_C"],
      ["NO_FENCE_ANNOUNCE_C", "CONSUMER_FUTEX"],
      ["NO_FENCE_ANNOUNCE_P"],
      ["NO_FENCE_ANNOUNCE_P", "PRODUCER_FUTEX"],
      ["NO_FENCE_REPORT"],
      ["NO_FENCE_REPORT", "PRODUCER_FUTEX"],
      ["NO_LOOK_C"],
      ["NO_LOOK_C", "CONSUMER_FUTEX"],
      ["NO_LOOK_P"],
      ["NO_LOOK_P", "PRODUCER_FUTEX"],
      ["NO_AGAIN"],
      ["NO_RELEASE"],
    ],
  },
  {
    file: "takeover.pml",
    title: "takeover of a name",
    holds: [[], ["CLEANER"]],
    faults: [["NO_RECHECK"], ["NO_LOCK"], ["NO_FENCE", "CLEANER"], ["FENCE_OUTSIDE", "CLEANER"]],
  },
  {
    file: "lease.pml",
    title: "post, claim, acknowledge",
    always: ["DEATHS=1"],
    holds: [[]],
    faults: [["NO_TOKEN"], ["TOKENS_ANEW"], ["ANSWER_FIRST"]],
  },
];
