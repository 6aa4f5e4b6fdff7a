// What Pyodide is told instead of where it would look for packages: that there are none. Ours come from elsewhere.
export const NO_PACKAGES = {
  info: { abi_version: "2026_0", arch: "wasm32", platform: "emscripten_5_0_3", python: "3.14.0", version: "314.0.3" },
  packages: {},
};
