import { InvalidArgumentError } from "../errors.js";

const VARIABLE = "RINGBELL_SERVICES";

/**
 * Returns where a contract's service is looked for, if no name is given: where the environment says so, such as
 * `RINGBELL_SERVICES=tools=tools.new,files=/run/files.sock`; else under the contract's name. Processes inherit the variable.
 */
export function whereIs(
  contract: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const text = env[VARIABLE];
  if (text === undefined || text === "") return contract;
  for (const entry of text.split(",")) {
    const at = entry.indexOf("=");
    if (at < 1 || at === entry.length - 1)
      throw new InvalidArgumentError(VARIABLE, "a list such as tools=tools.new,files=/run/files.sock", text);
    if (entry.slice(0, at) === contract) return entry.slice(at + 1);
  }
  return contract;
}
