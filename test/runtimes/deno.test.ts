import { testRuntime } from "./suite.js";

testRuntime({ name: "Deno", program: process.env.TEST_DENO, args: ["run", "-A", "--v8-flags=--expose-gc"] });
