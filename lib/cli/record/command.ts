import { Recorder } from "../../watch/index.js";
import { isOn } from "../arguments.js";
import { type Command, DIRECTORY, NAMESPACE } from "../command.js";
import { bytes, plural } from "../format.js";
import { numberOf, TIMEOUT } from "../looking.js";
import { HISTORY, LANE, PEER, WAY, wantedStreams, watch } from "../tap/command.js";
import { UsageError } from "../usage-error.js";

/** `ringbell record` writes what passes into a file. */
export const record: Command = {
  name: "record",
  operands: "NAME FILE",
  summary: "write the messages that pass into a file",
  text: [
    "Records what ringbell tap would show: every message as it is, when it came, and what was missed. Ctrl+C ends it. A recording whose " +
      "recorder was killed is good up to there.",
    "Messages may be secret: only its owner can read the file.",
  ],
  options: [
    NAMESPACE,
    DIRECTORY,
    LANE,
    WAY,
    PEER,
    HISTORY,
    { name: "count", short: "c", value: "N", text: "end after so many messages" },
    { name: "replace", text: "write over a file that is there" },
    TIMEOUT,
  ],
  async begin(args, output) {
    const { values, operands } = args;
    const [endpoint, path, ...more] = operands;
    if (endpoint === undefined || path === undefined) throw new UsageError("record needs NAME FILE");
    if (more.length > 0) throw new UsageError(`record takes NAME FILE; "${more[0]}" is one too many`);
    const most = numberOf(
      values,
      "count",
      Number.POSITIVE_INFINITY,
      1,
      Number.MAX_SAFE_INTEGER,
      "a number of messages",
    );
    const wanted = wantedStreams(values);
    let recorder: Recorder | undefined;
    const open = () => {
      recorder ??= create(path, endpoint, isOn(values, "replace"));
      return recorder;
    };
    try {
      await watch({
        args,
        name: "record",
        // The file is made when the endpoint has let us in, and not before.
        begun: () => {
          open();
          output.print(output.style.dim(`recording ${endpoint} into ${path}; Ctrl+C ends it`));
        },
        // Both codecs of a lane are needed to replay one way of it.
        wanted: () => true,
        take: (event) => {
          const file = open();
          if (event.type === "open" || wanted(event.stream)) file.take(event);
          return file.messages < most;
        },
        taken: () => recorder?.flush(),
        output,
      });
    } finally {
      recorder?.close();
    }
    const { messages, missed, bytes: size } = open();
    const lost = missed === 0 ? "" : `, ${plural(missed, "message")} missed`;
    output.print(`${plural(messages, "message")} recorded${lost}; ${bytes(size)} in ${path}`);
    return 0;
  },
};

function create(path: string, endpoint: string, replace: boolean): Recorder {
  try {
    return new Recorder(path, endpoint, replace);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new Error(`${path} is there already; --replace writes over it`, { cause: error });
  }
}
