import { existsSync, readdirSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { connect, endpoints, listen, testNamespace } from "ringbell";
import { describe, expect, it } from "vitest";
import { script } from "./channel/setup.js";

const spaces = () => readdirSync(realpathSync(tmpdir())).filter((name) => name.startsWith("ringbell-space-"));

describe("a namespace for tests", () => {
  it("is empty and apart from others, and leaves nothing behind", async () => {
    const before = spaces();
    const [one, other] = [testNamespace(), testNamespace()];
    const servers = await Promise.all([one, other].map(({ place }) => listen("same", { ...place })));
    expect((await endpoints(one.place)).map(({ name }) => name)).toEqual(["same"]);
    const channel = await connect("same", { ...one.place });
    await channel.close();
    await Promise.all(servers.map((server) => server.close()));
    await Promise.all([one.close(), one.close(), other.close()]);
    for (const { place } of [one, other]) expect(existsSync(place.directory)).toBe(false);
    expect(spaces().filter((name) => !before.includes(name))).toEqual([]);
  });

  it("goes with a process that exits, and with a server that is open in it", async () => {
    const code = `const test = ringbell.testNamespace();
await ringbell.listen("left", { ...test.place });
report(test.place.directory);
process.exit(0);`;
    const { output } = await script(code).ended;
    expect(output).toMatch(/ringbell-space-/);
    expect(existsSync(output.trim())).toBe(false);
  });

  it("of a process that was killed is removed by the next one, and that of a live process is not", async () => {
    const code = `const test = ringbell.testNamespace();
await ringbell.listen("left", { ...test.place });
report(test.place.directory);
setInterval(() => {}, 1000);`;
    const [killed, alive] = [script(code), script(code)];
    const told = ({ child }: typeof killed) =>
      new Promise<string>((resolve) => child.once("report", (text: string) => resolve(text.trim())));
    const [left, kept] = await Promise.all([told(killed), told(alive)]);
    killed.child.kill("SIGKILL");
    await killed.ended;
    expect(existsSync(left)).toBe(true);
    await testNamespace().close();
    expect([existsSync(left), existsSync(kept)]).toEqual([false, true]);
  });

  it("is given to other processes by its variables", async () => {
    await using test = testNamespace();
    const server = await listen("here", { ...test.place });
    const { output } = await script(
      `report((await ringbell.endpoints()).map(({ name }) => name).join());`,
      test.env,
    ).ended;
    expect(output).toBe("here\n");
    await server.close();
  });
});
