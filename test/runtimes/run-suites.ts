import { startTests, type Task, type Test, type VitestRunner } from "@vitest/runner";

/** Runs test files, by what imports them, and prints how each test ended. Ends the process. */
export async function runSuites(suites: Readonly<Record<string, () => Promise<unknown>>>): Promise<void> {
  const runner = {
    config: {
      root: process.cwd(),
      setupFiles: [],
      name: "",
      passWithNoTests: false,
      testNamePattern: undefined,
      allowOnly: true,
      sequence: { hooks: "stack", setupFiles: "list", seed: 1 },
      chaiConfig: undefined,
      maxConcurrency: 1,
      testTimeout: 60_000,
      hookTimeout: 60_000,
      retry: 0,
      includeTaskLocation: false,
      tags: [],
      tagsFilter: undefined,
      strictTags: false,
    },
    importFile: (path: string) => suites[path]!(),
    onAfterRunTask(test: Test) {
      const errors = test.result?.errors?.map(({ stack, message }) => stack ?? message);
      print({ name: nameOf(test), state: test.result?.state ?? test.mode, errors });
    },
  } as never as VitestRunner;
  const files = await startTests(Object.keys(suites), runner);
  const errors = files.flatMap(({ result }) => result?.errors?.map(({ stack, message }) => stack ?? message));
  print({ total: files.flatMap(testsIn).length, errors: errors.filter((error) => error !== undefined) });
  process.exit();
}

function testsIn(task: Task): Task[] {
  return task.type === "test" ? [task] : task.tasks.flatMap(testsIn);
}

function nameOf({ suite, name }: Task): string {
  return suite?.name ? `${nameOf(suite)} > ${name}` : name;
}

function print(line: object): void {
  console.log(JSON.stringify(line));
}
