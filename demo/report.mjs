/** What the transports are called on the screen. */
export const TITLES = { shm: "shared memory", stream: "stream" };

const LABEL = 43;
const COLUMN = 14;

/**
 * @param {readonly number[]} times in ms
 * @returns {{ p50: number, p90: number, p99: number } | undefined} undefined if there are none
 */
export function percentiles(times) {
  if (times.length === 0) return undefined;
  const sorted = Float64Array.from(times).sort();
  const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99) };
}

/**
 * The figures of a run.
 *
 * @param {import("./orchestrator.mjs").Outcome} outcome
 */
export function figures({ transport, desks, seconds, cpuSeconds, idlePings, busyPings }) {
  const results = desks.flatMap((desk) => desk.results.filter((result) => result !== undefined));
  const sum = (list, of) => list.reduce((total, each) => total + of(each), 0);
  const messages = sum(desks, (desk) => desk.messages);
  return {
    transport,
    tasks: results.length,
    skipped: results.filter(({ skipped }) => skipped !== undefined).length,
    bytesRead: sum(results, ({ bytes }) => bytes),
    bytesHandedOver: sum(desks, (desk) => desk.handedBytes),
    bytesByReference: sum(desks, (desk) => desk.handedBytes - desk.copiedBytes),
    messages,
    seconds,
    messagesPerSecond: messages / seconds,
    megabytesPerSecond: sum(results, ({ bytes }) => bytes) / 1e6 / seconds,
    orchestratorCpuSeconds: cpuSeconds,
    agentsCpuSeconds: sum(desks, ({ goodbye }) => goodbye?.cpuMs ?? 0) / 1000,
    workMsPerTask: sum(results, ({ micros }) => micros) / 1000 / Math.max(1, results.length),
    taskMs: percentiles(desks.flatMap((desk) => desk.roundTrips)),
    idlePingMs: percentiles(idlePings),
    busyPingMs: percentiles(busyPings),
    agents: desks.flatMap(({ kind, agents, again }) =>
      agents.map(({ pid, killed }) => ({
        name: kind.name,
        pid,
        killed,
        ...(killed ? { tasksDoneAgain: again } : {}),
      })),
    ),
  };
}

/**
 * @param {ReturnType<typeof figures> | null} shm  null where no memory is shared: then there is one column.
 * @param {ReturnType<typeof figures>} stream
 * @param {number} files
 */
export function table(shm, stream, files) {
  /** @type {string[]} */
  const lines = [];
  /** `show` makes the text of a run, `gain` the ratio of the stream to the run over shared memory, or the reverse. */
  const row = (label, show, gain) => {
    const left = shm === null ? "" : show(shm).padStart(COLUMN);
    const times = shm === null ? undefined : gain?.(shm);
    const ratio = times === undefined || !Number.isFinite(times) ? "" : `${times.toPrecision(3)}×`;
    lines.push(
      `${label.padEnd(LABEL)}${left}${show(stream).padStart(COLUMN - 2)}${ratio.padStart(9)}`.trimEnd(),
    );
  };
  const counted = (label, of) => row(label, of);
  const smaller = (label, show, of) => {
    row(
      label,
      (run) => show(of(run)),
      (shared) => of(stream) / of(shared),
    );
  };
  const larger = (label, show, of) => {
    row(
      label,
      (run) => show(of(run)),
      (shared) => of(shared) / of(stream),
    );
  };
  const trips = (label, of) => {
    if ((shm !== null && of(shm) === undefined) || of(stream) === undefined) return;
    for (const part of /** @type {const} */ (["p50", "p90", "p99"])) {
      const text = part === "p50" ? label : "";
      smaller(`${text.padEnd(LABEL - 5)}${part}`, milliseconds, (run) => of(run)[part]);
    }
  };

  const titles = shm === null ? "" : TITLES.shm.padStart(COLUMN);
  const gain = shm === null ? "" : "gain".padStart(9);
  lines.push(
    `${"".padEnd(LABEL)}${titles}${TITLES.stream.padStart(COLUMN - 2)}${gain}`,
    "─".repeat(LABEL + COLUMN - 2 + titles.length + gain.length),
  );
  counted("files", () => number(files));
  counted("bytes read (every agent gets every file)", (run) => megabytes(run.bytesRead));
  counted("bytes handed over by reference, not copied", (run) => megabytes(run.bytesByReference));
  counted("tasks done", (run) => number(run.tasks));
  if ((shm?.skipped ?? 0) + stream.skipped > 0)
    counted("tasks skipped (file not readable)", (run) => number(run.skipped));
  counted("messages (tasks, results, control)", (run) => number(run.messages));
  smaller(
    "time",
    (value) => `${value.toFixed(2)} s`,
    (run) => run.seconds,
  );
  larger("messages per second", number, (run) => run.messagesPerSecond);
  smaller(
    "CPU time of the orchestrator",
    (value) => `${value.toFixed(2)} s`,
    (run) => run.orchestratorCpuSeconds,
  );
  smaller(
    "CPU time of the agents, start included",
    (value) => `${value.toFixed(2)} s`,
    (run) => run.agentsCpuSeconds,
  );
  lines.push("", "round trips");
  trips("  task → result, with queue and work", (run) => run.taskMs);
  trips("  ping of an agent at work", (run) => run.busyPingMs);
  trips("  ping of an idle agent, before work", (run) => run.idlePingMs);
  return lines.join("\n");
}

/**
 * What the difference means, with the figures of this run.
 *
 * @param {ReturnType<typeof figures>} shm
 * @param {ReturnType<typeof figures>} stream
 */
export function meaning(shm, stream) {
  if (shm.idlePingMs === undefined || stream.idlePingMs === undefined) return "";
  const work = milliseconds(shm.workMsPerTask);
  const pings = `${milliseconds(shm.idlePingMs.p50)} over shared memory and ${milliseconds(stream.idlePingMs.p50)} over the stream`;
  const verdict =
    shm.workMsPerTask > 4 * stream.idlePingMs.p50
      ? "So the work dominates, and the transport matters little for this job"
      : "So the transport has a part in the time of this job";
  return `A task is ${work} of work on average. An idle round trip takes ${pings}. ${verdict}. It matters for messages that are small and many.`;
}

/** What the agents found out, one line each. @param {import("./orchestrator.mjs").Outcome} outcome */
export function findings({ desks }) {
  return desks.map(({ kind, results }) => {
    const values = results.flatMap((result) => (result?.value === undefined ? [] : [result.value]));
    return `  ${kind.name.padEnd(11)} ${kind.summary(values)}`;
  });
}

/** One line for each agent that had a successor. @param {import("./orchestrator.mjs").Outcome} outcome */
export function losses({ transport, desks }) {
  return desks.flatMap(({ kind, agents, again }) =>
    agents.flatMap(({ pid, killed }, i) => {
      if (agents[i + 1] === undefined) return [];
      const end = killed ? "was killed" : "died";
      const tasks = again === 1 ? "1 task was" : `${number(again)} tasks were`;
      return `${TITLES[transport]}: agent “${kind.name}” (process ${pid}) ${end}, process ${agents[i + 1].pid} took over; ${tasks} done again`;
    }),
  );
}

/**
 * Breaks a text into lines of at most so many characters; all but the first begin with the indent.
 *
 * @param {string} text
 * @param {number} columns
 * @param {string} [indent]
 */
export function wrap(text, columns, indent = "") {
  const lines = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line.trim() !== "" && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = indent + word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].join("\n");
}

/** @param {number} value */
export function number(value) {
  return Math.round(value).toLocaleString("en-US");
}

/** @param {number} bytes */
export function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function milliseconds(value) {
  if (value < 1) return `${(value * 1000).toPrecision(3)} µs`;
  return value < 1000 ? `${value.toPrecision(3)} ms` : `${(value / 1000).toPrecision(3)} s`;
}
