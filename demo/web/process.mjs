// What every process of this demo does with its own life, and where it finds the others.

/** The namespace of the demo. */
export const place = {
  namespace: process.env.RINGBELL_NAMESPACE,
  directory: process.env.RINGBELL_DIRECTORY,
};

/** How many times as fast as a person would like it. Tests are in a hurry. */
export const speed = Number(process.env.DEMO_SPEED ?? 1);

/** The time of this machine in microseconds: the same clock in all of its processes. */
export const microseconds = () => Number(process.hrtime.bigint() / 1000n);

/**
 * Ends in order when the launcher says so, or has gone.
 * @param {() => unknown} close
 */
export function endWithLauncher(close) {
  let ending = false;
  const end = async () => {
    if (ending) return;
    ending = true;
    await close();
    process.exit(0);
  };
  // Ctrl-C reaches all processes of a terminal at once. The launcher ends the others in their order.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", end);
  process.on("disconnect", end);
}
