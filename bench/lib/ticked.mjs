/** After this many times the planned duration, no more is sent. */
const PATIENCE = 2;

/**
 * Sends a message each time that a timer fires, as a program does that sleeps in between: what a message costs is counted here, so nobody looks
 * at the clock in a loop, and none shares its wake-up with the one before, so a late timer makes the rate a little lower. Resolves when all
 * were answered.
 * @param {object} how
 * @param {(i: number) => void} [how.send]  Absent: only the timer, as often.
 * @param {(each: () => void) => void} [how.hear]  Is told what to call with each reply.
 * @param {number} how.rate  Messages a second, at most 1,000: Node has no shorter timer.
 * @param {number} how.seconds
 * @param {number} [how.patience]  After this many times that, no more is sent.
 * @returns {Promise<import("./contender.mjs").Figures>}  `messages` is how many were answered
 */
export function ticked({ send, hear, rate, seconds, patience = PATIENCE }) {
  const planned = Math.max(1, Math.round(rate * seconds));
  const interval = 1e3 / rate;
  const begin = performance.now();
  const deadline = begin + planned * interval * patience;
  let sent = 0;
  let answered = 0;
  return new Promise((resolve) => {
    let isOver = false;
    const heard = () => {
      answered++;
      // What is still under way must not be taken for an answer of the next round.
      if (!isOver || answered < sent) return;
      const elapsed = performance.now() - begin;
      resolve({ messages: answered, perSecond: (answered * 1e3) / elapsed, seconds: elapsed / 1e3 });
    };
    hear?.(heard);
    const timer = setInterval(() => {
      const i = sent++;
      isOver = sent === planned || performance.now() > deadline;
      if (isOver) clearInterval(timer);
      if (send === undefined) heard();
      else send(i);
    }, interval);
  });
}
