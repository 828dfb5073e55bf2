import { calibrate } from "../lib/calibrate.mjs";
import { End } from "../lib/end.mjs";

/** Idle channels beside the active one. */
export const CHANNELS = 1000;

const LOOP = new URL("./ringbell-loop.mjs", import.meta.url).href;
const CROWD = new URL("../lib/crowd.mjs", import.meta.url).href;

/**
 * A round trip through the event loops, where the answering process holds `channels` more channels that are idle; their
 * other ends are in a third process.
 * @param {string} name
 * @param {string} title
 * @param {number} channels
 * @returns {import("../lib/contender.mjs").Contender}
 */
function active(name, title, channels) {
  return {
    name,
    peer: "ringbell",
    title,
    // A thousand channels are made.
    patience: 60,
    async start({ cores, seconds, directory }) {
      const options = { codec: "struct", endpoint: name, directory };
      /** @type {End[]} */
      const ends = [];
      const stop = async () => {
        for (const end of ends.toReversed()) await end.close();
      };
      let count = 0;
      try {
        const server = await End.start(LOOP, "serve", options, cores && [cores[1]]);
        ends.push(server);
        if (channels > 0) ends.push(await End.start(CROWD, "crowd", { ...options, channels }, cores));
        const driver = await End.start(LOOP, "drive", options, cores && [cores[0]]);
        ends.push(driver);
        const round = (/** @type {number} */ messages) => driver.ask("round", messages);
        return {
          async warmUp() {
            count = await calibrate(round, seconds);
          },
          round: () => round(count),
          constants: () => ({ count, channels }),
          stop,
        };
      } catch (error) {
        await stop();
        throw error;
      }
    },
  };
}

export const lone = active("lone", "ringbell, event loop, alone", 0);
export const crowded = active(
  "crowded",
  `ringbell, event loop, among ${CHANNELS.toLocaleString("en-US")} idle`,
  CHANNELS,
);
