// What the model of this demo says, and what the agent does in between. The agent begins again at the end.

/**
 * @typedef {{ say: string } | { list: string } | { hash: string } | { ask: Ask }} Step
 * @typedef {{ title: string, command: string, why: string, risk: "low" | "medium" | "high", approved: Step[], rejected: Step[] }} Ask
 * @typedef {{ title: string, steps: Step[] }} Task
 */

/** @type {readonly Task[]} */
export const TASKS = [
  {
    title: "Make the build cache smaller",
    steps: [
      {
        say: "The build takes longer than it did last week. Before I change anything I want to know what is in the tree, and how much of it is ours.",
      },
      { list: "lib" },
      { hash: "lib" },
      {
        say: "No two sources are the same, so nothing is built twice because of a copy. That leaves the cache itself: most of its entries belong to branches that were merged, and no build will ask for them again. Removing them is safe to repeat, but it can't be undone, so you decide.",
      },
      {
        ask: {
          title: "Delete 214 entries of the build cache",
          command: "find build/cache -mtime +14 -delete",
          why: "They belong to merged branches. The next build of such a branch takes about four minutes longer.",
          risk: "medium",
          approved: [
            {
              say: "Thank you. The old entries are gone, and the cache is down from 3.1 GB to 640 MB. I ran the build once more to see that it still finds what it needs: it does.",
            },
          ],
          rejected: [
            {
              say: "Understood, I leave the cache as it is. Instead I set a limit of 1 GB in the configuration, so that it stops growing from today on. That is one line, and easy to take back.",
            },
          ],
        },
      },
    ],
  },
  {
    title: "Find out why a test is flaky",
    steps: [
      {
        say: "One test fails in about two of a hundred runs, always on machines with two cores. A test like that waits for time where it should wait for an event. I read the tests first.",
      },
      { list: "test" },
      { hash: "test" },
      {
        say: "There it is: the test sleeps for 50 ms, and then expects that the peer has connected. With both cores busy the peer needs longer. I replaced the pause by a wait for the event itself. To be sure, the test should run many times on a machine that is busy.",
      },
      {
        ask: {
          title: "Run one test 200 times on both cores",
          command: "for i in $(seq 200); do npx vitest run test/channel/ending; done",
          why: "It takes some eight minutes, and this machine will be slow for other work meanwhile.",
          risk: "low",
          approved: [
            {
              say: "200 runs, and none failed. With the old version 5 of the first 200 did. I am confident that this was the reason.",
            },
          ],
          rejected: [
            {
              say: "Then I leave that to the nightly run, which does it when nobody waits for the machine. I added the test to its list.",
            },
          ],
        },
      },
    ],
  },
  {
    title: "Prepare the next release",
    steps: [
      {
        say: "Everything for the release is merged. I check the documentation against the sources once more, because its examples are what people copy.",
      },
      { list: "docs" },
      { list: "examples" },
      { hash: "examples" },
      {
        say: "Examples and documentation agree. The changelog names every change that a user can notice, and the version follows from them: a minor one. What is left is the push, after which others see it.",
      },
      {
        ask: {
          title: "Push the release branch and its tag",
          command: "git push origin release/0.2 v0.2.0",
          why: "A tag starts the release for everybody, and can't be taken back without a trace.",
          risk: "high",
          approved: [
            {
              say: "Pushed. The release job has started. I watch it, and say so if it needs anybody.",
            },
          ],
          rejected: [
            {
              say: "Not pushed. Branch and tag wait on this machine, and can go out with one command when you are ready.",
            },
          ],
        },
      },
    ],
  },
];
