import { execFileSync } from "node:child_process";
import { type Compiler, findCompiler, NoCompilerError } from "../scripts/addon/compiler.mjs";

let compiler: Compiler | undefined;

/** Runs the C compiler that goes with the addon's: `cc`, or where no compiler is installed, Zig. Throws what `execFileSync` throws. */
export function compileC(args: readonly string[]): void {
  compiler ??= findCompiler(console.error);
  const [program, ...first] = compiler.c;
  execFileSync(program!, [...first, ...args], { env: { ...process.env, ...compiler.env } });
}

export function canCompileC(): boolean {
  try {
    compiler ??= findCompiler(console.error);
    return true;
  } catch (error) {
    if (error instanceof NoCompilerError) return false;
    throw error;
  }
}
