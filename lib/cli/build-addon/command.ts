import { join } from "node:path";
import type { Command } from "../command.js";
import { runScript } from "../forward.js";
import { packageDirectory } from "../package.js";

/** `ringbell build-addon` builds the addon of this package where no binary of the package fits. */
export const buildAddon: Command = {
  name: "build-addon",
  summary: "build the addon, where no binary of the package fits",
  text: [
    "Compiles the sources in the package. The addon goes to build/Release in the package's directory, where the library looks first. It " +
      "takes the compiler that CXX names, or g++, c++ or clang++ (g++ 11, clang 14 or later); make and Python are not needed.",
    "Where there is no compiler, npm fetches Zig (77 MB) into ~/.cache/ringbell: on Linux on x64. What the installation of Node lacks in " +
      "headers comes from there as well.",
    "Exit code 1 if it can't be built. If it is up to date, nothing happens.",
  ],
  options: [
    { name: "force", text: "build it in any case" },
    { name: "optional", text: "exit code 0 where no compiler can be had" },
    { name: "output", value: "FILE", text: "write it to FILE, and leave the package alone" },
  ],
  forward: (args) => runScript(join(packageDirectory(), "scripts", "build-native.mjs"), args),
};
