// Faults that the tests of native/test/ must find: each is one change of a source, made in a copy. scripts/test-native.mjs builds and
// runs the tests against these copies. A test that passes with a fault is not looking.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The text `from` stands once in `file`; `to` takes its place. `cases`: words in the titles of the cases that must find it. */
export const FAULTS = [
  {
    name: "header before payload",
    cases: "a publication",
    file: "ring.h",
    from: "    copy_fields(payload_at(place.start), payload, length);",
    to: `    if (place.padding == 0) publish(produced, make_header(length, kind));
    copy_fields(payload_at(place.start), payload, length);`,
  },
  {
    name: "next header cleared too late",
    cases: "a publication",
    file: "ring.h",
    from: `    header_at(place.end).store(0, std::memory_order_relaxed);
    copy_fields`,
    to: "    copy_fields",
    also: {
      from: "    progress_.go_to(place.end);",
      to: "    header_at(place.end).store(0, std::memory_order_relaxed);\n    progress_.go_to(place.end);",
    },
  },
  {
    name: "padding before its record",
    cases: "a publication",
    file: "ring.h",
    from: `      header_at(place.start).store(make_header(length, kind), std::memory_order_relaxed);
      publish(produced, make_header(place.padding - kHeaderBytes, kPadding));`,
    to: `      publish(produced, make_header(place.padding - kHeaderBytes, kPadding));
      header_at(place.start).store(make_header(length, kind), std::memory_order_relaxed);`,
  },
  {
    name: "batch published one by one",
    cases: "a batch",
    file: "ring.h",
    from: "        first_header = place.padding != 0 ? padding : header;",
    to: `        first_header = place.padding != 0 ? padding : header;
        publish(position, first_header);`,
  },
  {
    name: "room before it was reported",
    cases: "a full ring",
    file: "ring.h",
    from: `      if (!refresh()) return Push::corrupt;
      if (end - consumed_ > capacity()) return Push::full;
    }`,
    to: `      if (!refresh()) return Push::corrupt;
      if (end - consumed_ > capacity() + 64) return Push::full;
    }`,
  },
  {
    name: "limit never raised",
    cases: "a publication",
    file: "ring.h",
    from: "    control_->limit.store(limit, std::memory_order_relaxed);",
    to: "",
  },
  {
    name: "memory left before watchers are told",
    cases: "giving memory back",
    file: "ring.h",
    from: "    left_ = std::max(left_, span.to);\n    say_limit();",
    to: "",
  },
  {
    name: "position within a record",
    cases: "a consumer",
    file: "ring.h",
    from: "    control_->consumed.store(consumed(), std::memory_order_seq_cst);",
    to: `    control_->consumed.store(consumed() - kHeaderBytes, std::memory_order_seq_cst);
    control_->consumed.store(consumed(), std::memory_order_seq_cst);`,
  },
];

/** Makes a copy of `native` in `folder` that has the fault. Returns the text of the file that has it, for a stamp. */
export function writeFaulty(fault, native, folder) {
  const copy = join(folder, "native");
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(join(copy, "test"), { recursive: true });
  for (const name of [".", "test"]) {
    for (const file of readdirSync(join(native, name)).filter((entry) => /\.(h|cc)$/.test(entry))) {
      cpSync(join(native, name, file), join(copy, name, file));
    }
  }
  let text = readFileSync(join(native, fault.file), "utf8");
  for (const { from, to } of fault.also === undefined ? [fault] : [fault, fault.also]) {
    const parts = text.split(from);
    if (parts.length !== 2)
      throw new Error(`the fault "${fault.name}" has no one place in ${fault.file}: ${parts.length - 1}`);
    text = parts.join(to);
  }
  writeFileSync(join(copy, fault.file), text);
  return text;
}
