{
  "targets": [
    {
      "target_name": "ringbell",
      "sources": [
        "native/addon.cc",
        "native/js/buffers.cc",
        "native/js/connections.cc",
        "native/js/instance.cc",
        "native/js/lanes.cc",
        "native/js/layout.cc",
        "native/js/regions.cc",
        "native/js/segments.cc",
        "native/js/sockets.cc",
        "native/js/values.cc",
        "native/js/watcher.cc",
        "native/connection.cc",
        "native/lane.cc",
        "native/lane_receiving.cc",
        "native/lane_sending.cc",
        "native/lane_sleeping.cc",
        "native/long_memory.cc",
        "native/memory_file.cc",
        "native/reactor.cc",
        "native/region.cc",
        "native/segment.cc",
        "native/socket.cc"
      ],
      "defines": [
        "NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED",
        # In a worker that is being terminated nothing can be thrown; without this, trying to is the end of the process.
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS",
      ],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-fno-rtti"],
      "cflags_cc": [
        # Link-time optimisation: the hot path of a lane runs through several files.
        "-std=c++20", "-O3", "-flto=auto", "-fno-exceptions", "-fvisibility=hidden",
        "-Wall", "-Wextra", "-Wconversion", "-Werror",
        "-isystem", "<!(node -p \"require('path').resolve(require('node-addon-api').include_dir)\")",
        "-isystem", "<(node_root_dir)/include/node"
      ],
      "ldflags": ["-flto=auto", "-O3"],
      "xcode_settings": {
        "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
        "GCC_ENABLE_CPP_EXCEPTIONS": "NO",
        "MACOSX_DEPLOYMENT_TARGET": "11.0",
        "OTHER_CPLUSPLUSFLAGS": [
          "-Wall", "-Wextra", "-Wconversion", "-Werror",
          "-isystem", "<!(node -p \"require('path').resolve(require('node-addon-api').include_dir)\")"
        ]
      }
    }
  ]
}
