/**
 * @typedef {object} Finding
 * @property {boolean} ok
 * @property {string} text
 */

/**
 * Whether what came out is complete and right.
 *
 * @param {readonly import("./files.mjs").File[]} files
 * @param {ReadonlySet<import("./files.mjs").File>} changed files that somebody has changed meanwhile: nothing can be said about them
 * @param {readonly import("./orchestrator.mjs").Outcome[]} outcomes
 * @returns {Finding[]}
 */
export function verify(files, changed, outcomes) {
  return [
    completeness(files, outcomes),
    hashes(files, changed, outcomes),
    ...(outcomes.length > 1 ? [agreement(files, changed, outcomes)] : []),
  ];
}

/** Every task has its result, once. */
function completeness(files, outcomes) {
  const desks = outcomes.flatMap((outcome) => outcome.desks);
  const missing = desks.reduce(
    (sum, { results }) => sum + files.filter((_, id) => results[id]?.id !== id).length,
    0,
  );
  const surplus = desks.reduce((sum, { unexpected }) => sum + unexpected, 0);
  const tasks = (files.length * desks.length).toLocaleString("en-US");
  return missing === 0 && surplus === 0
    ? { ok: true, text: `all ${tasks} tasks have one result: none lost, none counted twice` }
    : { ok: false, text: `of ${tasks} tasks, ${missing} have no result; ${surplus} results came twice` };
}

/** The hash agent says what we found ourselves before. */
function hashes(files, changed, outcomes) {
  let checked = 0;
  let wrong = 0;
  for (const { desks } of outcomes) {
    const { results } = desks.find(({ kind }) => kind.name === "hash");
    for (const [id, file] of files.entries()) {
      if (changed.has(file)) continue;
      const value = results[id]?.value;
      const sha256 = value && Buffer.from(value.sha256).toString("hex");
      checked++;
      if (sha256 !== file.sha256) wrong++;
    }
  }
  return wrong === 0
    ? {
        ok: true,
        text: `all ${checked.toLocaleString("en-US")} hashes are those that the orchestrator computed itself`,
      }
    : {
        ok: false,
        text: `${wrong} of ${checked} hashes are not those that the orchestrator computed itself`,
      };
}

/** Both runs found the same, with all the killing and replacing. */
function agreement(files, changed, [first, second]) {
  let different = 0;
  for (const [i, { kind, results }] of first.desks.entries()) {
    // What one file yields may depend on all others.
    if (kind.stateful && changed.size > 0) continue;
    for (const [id, file] of files.entries()) {
      if (!changed.has(file) && contentOf(results[id]) !== contentOf(second.desks[i].results[id]))
        different++;
    }
  }
  const note = changed.size > 0 ? ` (but for ${changed.size} that somebody changed meanwhile)` : "";
  return different === 0
    ? { ok: true, text: `both runs have the same results for all files${note}` }
    : { ok: false, text: `${different} results differ between the two runs` };
}

/** What a result says about the file, without how long that took. */
export function contentOf(result) {
  const { value, skipped } = result ?? {};
  return JSON.stringify({ value, skipped }, (_, part) =>
    part instanceof Uint8Array ? Buffer.from(part).toString("hex") : part,
  );
}
