// The answering process (or thread) of a peer that starts it by itself, see answerer.mjs.
import { workerData } from "node:worker_threads";
import { answering } from "./answerer.mjs";

const place = workerData?.place ?? JSON.parse(process.argv[2] ?? "null");
if (place === null) throw new Error("started by bench/lib/answerer.mjs only");
const { serve } = await import(place.peer);
await serve(place, answering(place));
