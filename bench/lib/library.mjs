/** The build of this checkout, or of the installed package. */
const OWN = new URL("../../dist/index.js", import.meta.url).href;

/**
 * The library that is measured. It is imported when it is needed, so that a comparison of other peers does without it.
 * @param {{ library?: string }} [options]  `library`: the URL of another build's dist/index.js. Both ends of a contender are told the same.
 * @returns {Promise<any>}
 */
export function libraryOf({ library = OWN } = {}) {
  return import(library);
}
