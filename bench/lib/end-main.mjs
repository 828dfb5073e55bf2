// The process of one end, see end.mjs: imports a contender's file and answers what it is asked.
const [file, role, options] = process.argv.slice(2);
if (file === undefined || role === undefined || options === undefined || process.send === undefined) {
  throw new Error("started by bench/lib/end.mjs only");
}

process.on("disconnect", () => process.exit());

/** @param {any} error */
function told(error) {
  if (error?.code === "ERR_RINGBELL_TRANSPORT")
    return { unavailable: "needs shared memory, which can't be had here: `npx ringbell doctor` says why" };
  return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

/**
 * @param {number} id
 * @param {() => unknown} work
 */
async function answer(id, work) {
  try {
    process.send?.({ id, value: (await work()) ?? null });
  } catch (error) {
    process.send?.({ id, ...told(/** @type {any} */ (error)) });
  }
}

/** @type {Record<string, (...args: unknown[]) => unknown>} */
let end = {};

process.on(
  "message",
  (/** @type {{ id: number, method: string, args: unknown[] }} */ { id, method, args }) => {
    void answer(id, () => end[method]?.(...args));
  },
);

await answer(0, async () => {
  end = await (await import(file))[role](JSON.parse(options));
});
