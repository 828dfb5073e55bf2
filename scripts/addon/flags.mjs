// How the addon is compiled and linked, for every compiler and system. Paths are not here but in compile.mjs, so that the flags can be
// compared between machines.

/** What Node looks up in an addon. Nothing else leaves the binary: the C++ library in it has symbols that other addons have, too. */
export const EXPORTS = ["napi_register_module_v1", "node_api_module_get_api_version_v1"];

const DEFINES = [
  "-DNAPI_VERSION=8",
  "-DNODE_ADDON_API_DISABLE_CPP_EXCEPTIONS",
  "-DNODE_ADDON_API_DISABLE_DEPRECATED",
  // In a worker that is being terminated nothing can be thrown; without this, trying to is the end of the process.
  "-DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS",
];
const COMMON = [
  ...["-std=c++20", "-O3", "-fPIC", "-pthread", "-fno-exceptions", "-fno-rtti", "-fvisibility=hidden"],
  ...["-Wall", "-Wextra", "-Wconversion"],
  ...DEFINES,
];

/**
 * The flags of a build.
 *
 * @param {object} build
 * @param {NodeJS.Platform} build.platform
 * @param {"glibc" | "musl" | undefined} build.libc
 * @param {string | undefined} build.triple  Zig's name of the target; undefined for the compiler of this machine.
 * @param {boolean} build.strict  Warnings are errors: in a checkout, where somebody can mend them.
 * @returns {string[]}
 */
export function flagsFor({ platform, libc, triple, strict }) {
  return [
    ...(triple === undefined ? [] : ["-target", triple, "-s"]),
    ...COMMON,
    ...(strict ? ["-Werror"] : []),
    // CMSG_NXTHDR of musl's headers compares numbers of different signs.
    ...(libc === "musl" ? ["-Wno-sign-compare"] : []),
    ...(platform === "darwin" ? forDarwin(triple) : forLinux()),
  ];
}

/** The flag that hands the list of exports to the linker; none where it takes none. @param {NodeJS.Platform} platform @param {boolean} zig */
export function exportFlag(platform, zig) {
  if (platform === "linux")
    return { flag: "-Wl,--version-script=", text: `{ global: ${EXPORTS.join("; ")}; local: *; };\n` };
  // Zig's own linker for macOS has no such option. What it would export besides is hidden by static_new.cc.
  return zig
    ? undefined
    : { flag: "-Wl,-exported_symbols_list,", text: EXPORTS.map((name) => `_${name}\n`).join("") };
}

function forLinux() {
  return [
    "-shared",
    ...["-ffunction-sections", "-Wl,--gc-sections"],
    // A runtime without libuv's functions refuses the addon when it is loaded, and not in the middle of a call.
    "-Wl,-z,now",
  ];
}

/** @param {string | undefined} triple */
function forDarwin(triple) {
  const oldest =
    triple === undefined ? ["-mmacosx-version-min=11.0"] : ["-fvisibility-global-new-delete=force-hidden"];
  // Node has the symbols of Node-API and libuv; they are looked up when the addon is loaded.
  return [
    triple === undefined ? "-bundle" : "-shared",
    ...oldest,
    "-Wl,-undefined,dynamic_lookup",
    "-Wl,-dead_strip",
  ];
}
