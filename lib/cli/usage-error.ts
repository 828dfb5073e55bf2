/** The command line has a mistake: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
