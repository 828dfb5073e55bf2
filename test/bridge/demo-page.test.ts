import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { children } from "../cleanup.js";
import { until } from "../session/setup.js";
import { EXECUTABLE } from "./devtools.js";

const MAIN = fileURLToPath(new URL("../../demo/web/main.mjs", import.meta.url));

/** The demo, as its user starts it, in a hurry. */
function demo() {
  const child = spawn(process.execPath, [MAIN, "--speed", "20"], { stdio: ["pipe", "pipe", "pipe"] });
  children.push(child);
  let output = "";
  let error = "";
  child.stdout.on("data", (data: Buffer) => {
    output += data.toString();
  });
  child.stderr.on("data", (data: Buffer) => {
    error += data.toString();
  });
  const ended = once(child, "close").then(([code]) => ({ code: code as number, output, error }));
  let links = 0;
  return {
    ended,
    end: () => child.kill("SIGINT"),
    /** The next link that it prints. Enter asks for one. */
    async link(): Promise<string> {
      if (links++ > 0) child.stdin.write("\n");
      const found = () => [...output.matchAll(/Open {2}(http\S+)/g)][links - 1]?.[1];
      await until(() => found() !== undefined);
      return found()!;
    },
    transcript: () => /tail -f (\S+)/.exec(output)![1]!,
  };
}

describe.skipIf(EXECUTABLE === undefined)("the page of npm run demo:web", { timeout: 120_000 }, () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: EXECUTABLE!, args: ["--no-sandbox"] });
  }, 60_000);
  afterAll(() => browser?.close());

  /** A browser window with the page, and all that it complained of. */
  async function opened(link: string) {
    // Without motion: it is drawn by the processor here.
    const options = { viewport: { width: 1400, height: 900 }, reducedMotion: "reduce" as const };
    const page = await (await browser.newContext(options)).newPage();
    const complaints: string[] = [];
    page.on("pageerror", ({ message }) => complaints.push(message));
    page.on("console", (message) => {
      // A daemon that is started again does not answer for a moment.
      if (message.type() === "error" && !/ERR_(CONNECTION|EMPTY|SOCKET)/.test(message.text()))
        complaints.push(message.text());
    });
    await page.goto(link);
    return { page, complaints };
  }

  const attached = (page: Page) => page.waitForSelector("body[data-connection=attached]");
  const asked = (page: Page) => page.waitForSelector("#ask:not([hidden])");
  const activities = (page: Page) => page.locator("#activities li span").allTextContents();

  it("approves in one window and in a second one, and loses nothing while all are closed or the daemon is killed", async () => {
    const program = demo();
    const link = await program.link();
    const first = await opened(link);
    await attached(first.page);
    expect(first.page.url()).toBe(link.split("#")[0]);

    // The link was good once.
    const stranger = await opened(link);
    await stranger.page.waitForSelector("text=This page needs a link");
    await stranger.page.close();

    // The first task, by a key.
    await asked(first.page);
    await first.page.keyboard.press("a");
    await first.page.waitForSelector("#activities >> text=approved by window 1");

    // The second one, in a window beside.
    await first.page.click("#beside");
    const frame = first.page.frameLocator("#second iframe");
    await frame.locator("#ask button.reject").click();
    await first.page.waitForSelector("#activities >> text=rejected by window 2");
    await first.page.waitForSelector("#map >> text=window 2");
    await first.page.waitForSelector("#channels >> text=scribe main");
    expect(first.complaints).toEqual([]);
    await first.page.close();

    // No window is open: the agent goes on to its next question, and waits.
    await until(() => /Agree|agree/.test(readFileSync(program.transcript(), "utf8")));
    const second = await opened(await program.link());
    await attached(second.page);
    await asked(second.page);
    // All bytes of the terminal since the beginning, without a gap.
    const places = () => second.page.locator("#terminal").getAttribute("data-bytes").then(Number);
    await until(() => /so you decide/.test(readFileSync(program.transcript(), "utf8")));
    expect(await places()).toBeGreaterThan(3000);
    expect(await second.page.locator("#terminal").getAttribute("data-missed")).toBe("0");
    const seen = await activities(second.page);
    for (const text of ["Prepare the next release", "Push the release branch and its tag"])
      expect(seen).toContain(text);
    const happened = [...seen].reverse().filter((text) => !/^(Window|Listed|Hashed)/.test(text));
    expect(happened).toEqual([
      "Make the build cache smaller",
      "Delete 214 entries of the build cache",
      "Delete 214 entries of the build cache approved by window 1",
      "Task finished",
      "Find out why a test is flaky",
      "Run one test 200 times on both cores",
      "Run one test 200 times on both cores rejected by window 2",
      "Task finished",
      "Prepare the next release",
      "Push the release branch and its tag",
    ]);

    // The daemon is killed: the window waits for the next one, and has it.
    const pid = /\d+/.exec(await second.page.locator(".node.agent .note").textContent().then(String))![0];
    process.kill(Number(pid), "SIGKILL");
    await second.page.waitForSelector("body[data-connection=reconnecting]");
    await attached(second.page);
    await asked(second.page);
    await second.page.click("#ask button.approve");
    await second.page.waitForSelector("#activities >> text=approved by window 3");
    expect(second.complaints).toEqual([]);

    program.end();
    await second.page.waitForSelector("text=The agent has ended");
    const { code, error, output } = await program.ended;
    expect([code, error]).toEqual([0, ""]);
    expect(output).toContain("ended; nothing is left");
    expect(existsSync(dirname(program.transcript()))).toBe(false);
  });

  it("lets a viewer look and not answer, serves nothing else, and only to its own pages", async () => {
    const program = demo();
    const link = await program.link();
    const base = link.split("#")[0]!;
    const { page, complaints } = await opened(link);
    await attached(page);
    const [viewer] = await Promise.all([page.waitForEvent("popup"), page.click("#viewer")]);
    await attached(viewer);
    await asked(viewer);
    expect(await viewer.locator("#ask button").count()).toBe(0);
    await viewer.waitForSelector("text=This window may look, and not answer.");
    expect(await viewer.locator("#abort").isHidden()).toBe(true);
    await viewer.keyboard.press("a");
    // Aborting asks once more.
    await page.evaluate("for (const _ of [1, 2]) document.getElementById('abort').click()");
    await page.waitForSelector("#activities >> text=aborted by window 1");
    // A reload keeps the window, without a link.
    await page.reload();
    await attached(page);
    expect(complaints).toEqual([]);

    const policy = (await fetch(base)).headers.get("content-security-policy")!;
    expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self' 'nonce-[\w-]{22}';/);
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    for (const path of ["main.mjs", "..%2fdaemon.mjs", "page/index.html"])
      expect((await fetch(base + path)).status).toBe(404);
    const ask = (headers: Record<string, string>, path = "ticket", body = '{"role":"operator"}') =>
      fetch(base + path, { method: "POST", headers, body }).then(({ status }) => status);
    const origin = base.slice(0, -1);
    const entry = await viewer.evaluate("sessionStorage.getItem('ringbell-demo')");
    const { token } = JSON.parse(entry as string) as { token: string };
    expect(await ask({ origin, authorization: `Bearer ${token}` })).toBe(403);
    expect(await ask({ origin, authorization: `Bearer ${token}` }, "ticket", '{"role":"viewer"}')).toBe(200);
    expect(await ask({ origin, authorization: `Bearer ${token.replace("viewer", "operator")}` })).toBe(403);
    expect(await ask({ origin: "http://evil.example", authorization: `Bearer ${token}` })).toBe(403);
    expect(await ask({ origin }, "token", "{")).toBe(400);

    program.end();
    const { code, error } = await program.ended;
    expect([code, error]).toEqual([0, ""]);
  });
});
