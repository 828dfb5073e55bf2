import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { WebSocket } from "ws";

/** Chromium; undefined where there is none. */
export const EXECUTABLE = [
  process.env.CHROMIUM,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
].find((path) => path !== undefined && existsSync(path));

interface Answer {
  readonly id?: number;
  readonly result?: {
    readonly targetId?: string;
    readonly sessionId?: string;
    readonly result?: { readonly value?: unknown };
  };
}

/**
 * A page in a Chromium of its own, by its DevTools alone. playwright makes every page visible and focused, and Chromium freezes no such page.
 */
export async function rawPage(executable: string, url: string) {
  const profile = mkdtempSync(join(tmpdir(), "ringbell-test-"));
  const options = [
    "--headless=new",
    "--no-sandbox",
    "--remote-debugging-port=0",
    `--user-data-dir=${profile}`,
  ];
  const browser = spawn(executable, [...options, "about:blank"], { stdio: ["ignore", "ignore", "pipe"] });
  onTestFinished(async () => {
    browser.kill("SIGKILL");
    await once(browser, "close");
    // Its helpers end a moment later, and may still write.
    rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  });
  const address = await new Promise<string>((resolve) => {
    let text = "";
    browser.stderr.on("data", (data: Buffer) => {
      text += data.toString();
      const found = /DevTools listening on (ws:\S+)/.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
  });
  const socket = new WebSocket(address);
  await once(socket, "open");
  const waiting = new Map<number, (answer: Answer) => void>();
  socket.on("message", (data) => {
    const answer = JSON.parse(String(data)) as Answer;
    if (answer.id !== undefined) waiting.get(answer.id)?.(answer);
  });
  let last = 0;
  const send = (method: string, params: object, sessionId?: string) =>
    new Promise<Answer>((resolve) => {
      waiting.set(++last, resolve);
      socket.send(JSON.stringify({ id: last, method, params, sessionId }));
    });
  const { targetId } = (await send("Target.createTarget", { url })).result!;
  const { sessionId } = (await send("Target.attachToTarget", { targetId, flatten: true })).result!;
  const evaluate = async (expression: string) => {
    const options = { expression, awaitPromise: true, returnByValue: true };
    return (await send("Runtime.evaluate", options, sessionId)).result?.result?.value;
  };
  const waitFor = async (expression: string) => {
    while ((await evaluate(expression)) !== true);
  };
  await waitFor(`location.href.startsWith(${JSON.stringify(url)}) && document.readyState === "complete"`);
  return {
    evaluate,
    waitFor,
    setState: (state: "frozen" | "active") => send("Page.setWebLifecycleState", { state }, sessionId),
  };
}
