import type { Values } from "./command.js";
import { placeOf } from "./place.js";

/** The options of the library for the place that the command line gives. */
export function whereOf(values: Values): { readonly namespace: string; readonly directory?: string } {
  const place = placeOf(values);
  return { namespace: place.namespace, ...(place.given ? { directory: place.base } : {}) };
}
