import { testRuntime } from "./suite.js";

testRuntime({ name: "Bun", program: process.env.TEST_BUN, args: [] });
